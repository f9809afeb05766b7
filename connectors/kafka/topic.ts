import { setTimeout as delay } from "node:timers/promises";
import kafkajs, { type Admin, type Kafka } from "kafkajs";
import { RehouseError } from "../../src/errors.ts";
import type { ChangesTopic, TopicSettings } from "../../src/ports.ts";
import { withAdmin } from "./admin.ts";

/** A row is one message, and a row may hold many TOAST values of megabytes; the broker's usual limit is 1 MiB. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

const FOREVER = "-1";
const LED_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 50;

export function createChangesTopic(kafka: Kafka, name: string, where: string): ChangesTopic {
  const admin = <T>(body: (admin: Admin) => Promise<T>) => withAdmin(kafka, where, body);
  const exists = (on: Admin) => on.listTopics().then((topics) => topics.includes(name));

  return {
    name,
    exists: () => admin(exists),
    ensure: (settings) =>
      admin(async (on) => {
        if (!(await exists(on)) && (await create(on, name, settings))) return;
        const found = await describe(on, name);
        const wanted = { partitions: String(settings.partitions), ...keeping(settings) };
        const wrong = Object.entries(wanted).filter(([key, value]) => value !== undefined && found.get(key) !== value);
        if (wrong.length === 0) return;
        throw new RehouseError("REHOUSE_TOPIC_MISMATCH", {
          what: `the topic ${name} is there with ${wrong.map(([key, value]) => `${key} ${found.get(key)} where ${value} is needed`).join(", ")}`,
          where,
          fix: "change these settings of the topic, or delete it if no migration uses it any more",
        });
      }),
    offsets: () =>
      admin(async (on) => {
        const all = await on.fetchTopicOffsets(name);
        return all
          .map(({ partition, low, high }) => ({ partition, low: BigInt(low), high: BigInt(high) }))
          .sort((a, b) => a.partition - b.partition);
      }),
    longestMessage: () =>
      admin(async (on) => {
        const found = await describe(on, name);
        return Math.min(Number(found.get("max.message.bytes") ?? MAX_MESSAGE_BYTES), MAX_MESSAGE_BYTES);
      }),
    delete: () =>
      admin(async (on) => {
        if (await exists(on)) await on.deleteTopics({ topics: [name] });
      }),
  };
}

/** False when another process was faster. */
async function create(on: Admin, name: string, settings: TopicSettings): Promise<boolean> {
  const isMade = await on.createTopics({
    waitForLeaders: false,
    topics: [
      {
        topic: name,
        numPartitions: settings.partitions,
        replicationFactor: settings.replicationFactor ?? -1,
        configEntries: [
          ...Object.entries(keeping(settings)).map(([name, value]) => ({ name, value })),
          { name: "retention.bytes", value: FOREVER },
          { name: "max.message.bytes", value: String(MAX_MESSAGE_BYTES) },
        ],
      },
    ],
  });
  if (isMade) await led(on, name);
  return isMade;
}

/** Until each partition has a leader. kafkajs' own wait gives up at a broker that has not heard of the topic yet, as a busy one may for a second. */
async function led(on: Admin, name: string): Promise<void> {
  const deadline = performance.now() + LED_WITHIN_MS;
  let last: Error = new Error("partitions have no leader");
  for (;;) {
    try {
      const [topic] = (await on.fetchTopicMetadata({ topics: [name] })).topics;
      if (topic?.partitions.every(({ leader }) => leader >= 0) === true) return;
    } catch (error) {
      const passes = error instanceof kafkajs.KafkaJSProtocolError && error.retriable;
      if (!passes) throw error;
      last = error;
    }
    if (performance.now() > deadline) throw last;
    await delay(LOOK_EVERY_MS);
  }
}

/** What of the topic is kept, and for how long. */
function keeping({ isCompacted, retentionMs }: TopicSettings): Record<string, string> {
  if (isCompacted === true) return { "cleanup.policy": "compact" };
  return { "cleanup.policy": "delete", "retention.ms": retentionMs === undefined ? FOREVER : String(retentionMs) };
}

async function describe(on: Admin, name: string): Promise<Map<string, string>> {
  const [metadata, configs] = await Promise.all([
    on.fetchTopicMetadata({ topics: [name] }),
    on.describeConfigs({
      includeSynonyms: false,
      resources: [
        { type: kafkajs.ConfigResourceTypes.TOPIC, name, configNames: ["cleanup.policy", "retention.ms", "max.message.bytes"] },
      ],
    }),
  ]);
  const entries = configs.resources
    .flatMap((resource) => resource.configEntries)
    .map((entry): [string, string] => [entry.configName, entry.configValue]);
  return new Map([["partitions", String(metadata.topics[0]?.partitions.length ?? 0)], ...entries]);
}
