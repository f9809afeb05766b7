import { cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { kafkaAnswers } from "../answers.ts";
import type { Guard } from "./guard.ts";
import type { JavaServers } from "./java.ts";
import { KAFKA_IDENTITY, properties } from "./kafka-properties.ts";
import { Server } from "./server.ts";

/** A broker that is its own controller, on this machine only, for data that lives as long as the run. */
const SETTINGS: Record<string, string> = {
  ...KAFKA_IDENTITY,
  "auto.create.topics.enable": "false",
  "num.partitions": "1",
  "default.replication.factor": "1",
  "offsets.topic.replication.factor": "1",
  "offsets.topic.num.partitions": "4",
  "transaction.state.log.replication.factor": "1",
  "transaction.state.log.min.isr": "1",
  "transaction.state.log.num.partitions": "2",
  "share.coordinator.state.topic.replication.factor": "1",
  "share.coordinator.state.topic.min.isr": "1",
  // A broker that was killed cannot register again before its old session has ended: 9 s, if nothing else is said.
  "broker.session.timeout.ms": "3000",
  "broker.heartbeat.interval.ms": "500",
  // A group of one member need not wait for others.
  "group.initial.rebalance.delay.ms": "0",
  // Nothing goes by age or size, unless a topic says so itself.
  "log.retention.ms": "-1",
  "log.retention.bytes": "-1",
  "log.cleaner.dedupe.buffer.size": String(16 * 1024 * 1024),
  "num.network.threads": "2",
  "num.io.threads": "4",
};

/** `jvm`: further options for the JVM. */
export type KafkaPlace = { port: number; controllerPort: number; jvm: string[] };

export async function startKafka(
  guard: Guard,
  servers: JavaServers,
  place: KafkaPlace,
): Promise<{ brokers: string[]; server: Server }> {
  const broker = `127.0.0.1:${place.port}`;
  const controller = `127.0.0.1:${place.controllerPort}`;
  const data = join(guard.folder, "kafka");
  await cp(servers.kafkaData, data, { recursive: true });
  const file = join(guard.folder, "kafka.properties");
  await writeFile(
    file,
    properties({
      ...SETTINGS,
      "controller.quorum.voters": `1@${controller}`,
      listeners: `PLAINTEXT://${broker},CONTROLLER://${controller}`,
      "advertised.listeners": `PLAINTEXT://${broker}`,
      "log.dirs": data,
    }),
  );
  const server = new Server(
    guard,
    {
      name: "kafka",
      command: servers.java,
      args: [
        ["-Xmx1g", "-Xms256m", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-Djava.awt.headless=true"],
        [`-Dlog4j2.configurationFile=${fileURLToPath(new URL("log4j2.properties", import.meta.url))}`],
        [...place.jvm, "-cp", "*", "kafka.Kafka", file],
      ].flat(),
      env: {},
      cwd: servers.kafka.folder,
      user: {},
      log: join(guard.folder, "kafka.log"),
      end: "SIGKILL",
    },
    { answers: () => kafkaAnswers([broker]), orderly: "SIGTERM" },
  );
  await server.start();
  return { brokers: [broker], server };
}
