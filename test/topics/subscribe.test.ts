import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { subscribe } from "../../src/topics/subscribe.ts";

const KAFKA = { brokers: ["a:9092", "b:9092"], ssl: undefined, sasl: undefined };

/** The words that a shell makes of the line. */
function words(line: string, env: Record<string, string> = {}): string[] {
  const out = execFileSync("bash", ["-c", `kcat() { printf '%s\\0' "$@"; }; ${line}`], {
    env: { ...process.env, ...env },
    encoding: "utf8",
  });
  return out.split("\0").slice(0, -1);
}

test("kcat gets the brokers, the topic, and the registry for both of its sides", () => {
  const { kcat } = subscribe({
    topic: "rehouse.m.changes",
    kafka: KAFKA,
    registry: { url: "http://r:8081", auth: undefined, tls: undefined },
  });
  expect(words(kcat)).toEqual(
    ["-b", "a:9092,b:9092", "-C", "-t", "rehouse.m.changes", "-o", "beginning", "-s", "avro", "-r", "http://r:8081", "-f"].concat(
      "%h\\n%k\\n%s\\n\\n",
    ),
  );
});

test("no secret is said: names of the environment stand for them, and a shell puts them in", () => {
  const said = subscribe({
    topic: "rehouse.m.changes",
    kafka: {
      ...KAFKA,
      ssl: { rejectUnauthorized: true },
      sasl: { mechanism: "scram-sha-512", username: "o'neil", password: "hunter2-kafka" },
    },
    registry: { url: "https://r/apis/ccompat/v7", auth: { username: "me@x", password: "hunter2-registry" }, tls: undefined },
  });
  expect(JSON.stringify(said)).not.toContain("hunter2");
  const kcat = words(said.kcat, { KAFKA_PASSWORD: "s3cret", REGISTRY_PASSWORD: "t0p" });
  expect(kcat).toEqual(expect.arrayContaining(["security.protocol=SASL_SSL", "sasl.username=o'neil", "sasl.password=s3cret"]));
  expect(kcat).toContain("https://me%40x:t0p@r/apis/ccompat/v7");
  expect(said.properties).toMatchObject({
    "security.protocol": "SASL_SSL",
    "sasl.mechanism": "SCRAM-SHA-512",
    "basic.auth.user.info": "me@x:$REGISTRY_PASSWORD",
    "value.subject.name.strategy": "io.confluent.kafka.serializers.subject.TopicRecordNameStrategy",
  });
});
