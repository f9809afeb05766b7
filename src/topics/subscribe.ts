/** How to read the changes topic with tools of others. No secret is in it: names of the environment stand for them. Pure. */

import { shellWord } from "../cli/live/shell-word.ts";
import type { KafkaSettings, RegistryAuth, RegistrySettings, SaslSettings } from "../file/index.ts";
import { redact } from "../redact.ts";
import type { TopicsDocument } from "./document.ts";

export type Subscribing = {
  readonly topic: string;
  readonly kafka: Pick<KafkaSettings, "brokers" | "ssl" | "sasl">;
  readonly registry: RegistrySettings;
};

const MECHANISMS = { plain: "PLAIN", "scram-sha-256": "SCRAM-SHA-256", "scram-sha-512": "SCRAM-SHA-512" } as const;

export function subscribe(to: Subscribing): TopicsDocument["subscribe"] {
  return { kcat: kcat(to), properties: properties(to) };
}

/** Avro by the registry's ids; the headers say tenant, table, operation and position. */
function kcat({ topic, kafka, registry }: Subscribing): string {
  const { sasl } = kafka;
  const settings = [
    ...(isPlain(kafka) ? [] : [`security.protocol=${protocol(kafka)}`]),
    ...(sasl === undefined ? [] : [`sasl.mechanisms=${MECHANISMS[sasl.mechanism]}`, `sasl.username=${sasl.username}`]),
  ];
  const words = [
    ...["kcat", "-b", shellWord(kafka.brokers.join(","))],
    ...settings.flatMap((setting) => ["-X", shellWord(setting)]),
    ...(sasl === undefined ? [] : ["-X", '"sasl.password=$KAFKA_PASSWORD"']),
    ...["-C", "-t", shellWord(topic), "-o", "beginning"],
    ...["-s", "avro", "-r", registryWord(registry)],
    ...["-f", shellWord("%h\\n%k\\n%s\\n\\n")],
  ];
  return words.join(" ");
}

function isPlain({ ssl, sasl }: Subscribing["kafka"]): boolean {
  return ssl === undefined && sasl === undefined;
}

function protocol({ ssl, sasl }: Subscribing["kafka"]): string {
  if (sasl === undefined) return "SSL";
  return ssl === undefined ? "SASL_PLAINTEXT" : "SASL_SSL";
}

/** kcat takes a user and a password in the URL; a token it cannot send. */
function registryWord({ url, auth }: RegistrySettings): string {
  const shown = redact(url);
  if (auth === undefined || "token" in auth) return shellWord(shown);
  const [scheme = "http", rest = ""] = shown.split("://");
  return `"${scheme}://${encodeURIComponent(auth.username)}:$REGISTRY_PASSWORD@${rest}"`;
}

/** Debezium's envelope, several tables in one topic: what reads the topics of Debezium reads this one, told how its subjects are named. */
function properties({ topic, kafka, registry }: Subscribing): Record<string, string> {
  const strategy = "io.confluent.kafka.serializers.subject.TopicRecordNameStrategy";
  const deserializer = "io.confluent.kafka.serializers.KafkaAvroDeserializer";
  return {
    topics: topic,
    "bootstrap.servers": kafka.brokers.join(","),
    ...(isPlain(kafka) ? {} : { "security.protocol": protocol(kafka) }),
    ...(kafka.sasl === undefined ? {} : signingIn(kafka.sasl)),
    "auto.offset.reset": "earliest",
    "key.deserializer": deserializer,
    "value.deserializer": deserializer,
    "key.subject.name.strategy": strategy,
    "value.subject.name.strategy": strategy,
    "schema.registry.url": redact(registry.url),
    ...(registry.auth === undefined ? {} : signingInToRegistry(registry.auth)),
  };
}

function signingIn({ mechanism, username }: SaslSettings): Record<string, string> {
  const login = mechanism === "plain" ? "plain.PlainLoginModule" : "scram.ScramLoginModule";
  return {
    "sasl.mechanism": MECHANISMS[mechanism],
    "sasl.jaas.config": `org.apache.kafka.common.security.${login} required username=${JSON.stringify(username)} password="$KAFKA_PASSWORD";`,
  };
}

function signingInToRegistry(auth: RegistryAuth): Record<string, string> {
  return "token" in auth
    ? { "bearer.auth.credentials.source": "STATIC_TOKEN", "bearer.auth.token": "$REGISTRY_TOKEN" }
    : { "basic.auth.credentials.source": "USER_INFO", "basic.auth.user.info": `${auth.username}:$REGISTRY_PASSWORD` };
}
