import type { ConnectionOptions } from "node:tls";
import kafkajs, { type Kafka, type KafkaConfig, type SASLOptions } from "kafkajs";
import { RehouseError } from "../../src/errors.ts";
import type { Logger } from "../../src/log.ts";
import { untrusted } from "../../src/untrusted.ts";

export type KafkaAddress = {
  readonly brokers: readonly string[];
  readonly ssl?: ConnectionOptions | boolean | undefined;
  readonly sasl?:
    | { readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512"; readonly username: string; readonly password: string }
    | undefined;
};

/** Longer than any broker takes for a batch, shorter than what an operator would wait for an answer. */
export const REQUEST_TIMEOUT_MS = 30_000;

/** A handful of quick attempts ride out a change of leader; beyond that the role that uses it waits and says so. */
const RETRIES = { initialRetryTime: 100, maxRetryTime: 2_000, retries: 6 } as const;

/** One kafkajs client; its own log lines go to `log` as debug, since every failure that matters is also thrown. */
export function createKafka(address: KafkaAddress, name: string, log: Logger): Kafka {
  const config: KafkaConfig = {
    clientId: name,
    brokers: [...address.brokers],
    connectionTimeout: 10_000,
    requestTimeout: REQUEST_TIMEOUT_MS,
    retry: RETRIES,
    logLevel: kafkajs.logLevel.WARN,
    logCreator:
      () =>
      ({ namespace, log: entry }) => {
        const { message, timestamp: _timestamp, logger: _logger, ...fields } = entry;
        log.debug({ event: "kafka", namespace, ...fields }, message);
      },
    ...(address.ssl === undefined ? {} : { ssl: address.ssl }),
    ...(address.sasl === undefined ? {} : { sasl: sasl(address.sasl) }),
  };
  return new kafkajs.Kafka(config);
}

function sasl({ mechanism, username, password }: NonNullable<KafkaAddress["sasl"]>): SASLOptions {
  return { mechanism, username, password };
}

/** What kafkajs threw, as an error of the closed list. */
export function kafkaFailure(error: unknown, where: string): RehouseError {
  if (error instanceof RehouseError) return error;
  const distrust = untrusted(error, { server: "Kafka", where, section: "kafka.ssl" });
  if (distrust !== undefined) return distrust;
  const reason = error instanceof Error ? error.message : String(error);
  if (isUnavailable(error)) {
    return new RehouseError("REHOUSE_UNREACHABLE", {
      what: `Kafka cannot be reached: ${reason}`,
      where,
      fix: "check that the brokers run and that the addresses they advertise can be reached from here",
      cause: error,
    });
  }
  return new RehouseError("REHOUSE_SERVER", {
    what: `Kafka answered with an error: ${reason}`,
    where,
    fix: /\bSASL\b/.test(reason)
      ? "check mechanism, username and password in kafka.sasl"
      : "check the rights of this client and the state of the topic",
    cause: error,
  });
}

/** Protocol errors that time heals; all others of the broker's answers need a person. */
const HEALS = new Set([
  "LEADER_NOT_AVAILABLE",
  "NOT_LEADER_FOR_PARTITION",
  "REQUEST_TIMED_OUT",
  "NETWORK_EXCEPTION",
  "NOT_ENOUGH_REPLICAS",
  "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
  "NOT_CONTROLLER",
  "GROUP_LOAD_IN_PROGRESS",
  "ILLEGAL_GENERATION",
  "UNKNOWN_MEMBER_ID",
  "REBALANCE_IN_PROGRESS",
  "GROUP_COORDINATOR_NOT_AVAILABLE",
  "NOT_COORDINATOR_FOR_GROUP",
  "BROKER_NOT_AVAILABLE",
  "REPLICA_NOT_AVAILABLE",
  "KAFKA_STORAGE_ERROR",
  "UNKNOWN_TOPIC_OR_PARTITION",
]);

function isUnavailable(error: unknown): boolean {
  if (!(error instanceof kafkajs.KafkaJSError)) return !(error instanceof TypeError || error instanceof RangeError);
  const type: unknown = Reflect.get(error, "type");
  if (typeof type === "string") return HEALS.has(type);
  // After its own retries kafkajs wraps what it met.
  const cause: unknown = Reflect.get(error, "cause");
  if (cause instanceof Error && cause !== error) return isUnavailable(cause);
  return /Connection|Timeout|Broker|Coordinator|NumberOfRetries|Metadata/.test(error.name);
}
