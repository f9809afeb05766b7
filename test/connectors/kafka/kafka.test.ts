import { Kafka, logLevel } from "kafkajs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createKafka, kafkaFailure } from "../../../connectors/kafka/client.ts";
import { createChangesProducer } from "../../../connectors/kafka/producer.ts";
import { createTailReader } from "../../../connectors/kafka/tail.ts";
import { createChangesTopic } from "../../../connectors/kafka/topic.ts";
import { createLogger } from "../../../src/log.ts";
import { formatPosition, parsePosition } from "../../../src/model/position.ts";
import type { ChangesTopic, OutgoingMessage } from "../../../src/ports.ts";
import { addresses, waitUntil } from "../../support/index.ts";

describe("on a real broker", () => {
  const log = createLogger("silent");
  const name = `rehouse.t-${process.pid}-${Date.now()}.changes`;
  const settings = { partitions: 3, replicationFactor: undefined, retentionMs: undefined };
  let where: string;
  let kafka: Kafka;
  let topic: ChangesTopic;
  beforeAll(async () => {
    where = addresses().kafkaBrokers.join(",");
    kafka = createKafka({ brokers: addresses().kafkaBrokers }, "test", log);
    topic = createChangesTopic(kafka, name, where);
    await topic.ensure(settings);
  });
  afterAll(() => topic.delete());

  it("a topic is made once, and one with other settings is refused by name", async () => {
    await topic.ensure(settings);
    expect(await topic.exists()).toBe(true);
    await expect(topic.ensure({ ...settings, partitions: 4 })).rejects.toMatchObject({
      code: "REHOUSE_TOPIC_MISMATCH",
      message: expect.stringContaining("partitions 3 where 4"),
    });
  });

  it("messages arrive as they were sent, in order, and the producer knows the offsets", async () => {
    const producer = await createChangesProducer(kafka, name, where);
    const sent = Array.from({ length: 3_000 }, (_, i) => message(i % 2, `${i}`.repeat(1 + (i % 200)), i));
    try {
      expect(await producer.publish(sent.slice(0, 1_000))).toEqual(
        new Map([
          [0, 500n],
          [1, 500n],
        ]),
      );
      expect(await producer.publish(sent.slice(1_000))).toEqual(
        new Map([
          [0, 1_500n],
          [1, 1_500n],
        ]),
      );
    } finally {
      await producer.close();
    }
    const read = await readAll(name, sent.length);
    for (const partition of [0, 1]) {
      expect(read.filter((one) => one.partition === partition)).toEqual(
        sent
          .filter((one) => one.partition === partition)
          .map((one) => ({ partition, key: one.key, value: one.value, headers: one.headers })),
      );
    }
    expect(await createTailReader(kafka, topic, where).last()).toEqual(
      new Map([
        [0, { offset: 1_499n, position: parsePosition("0/1:2998") }],
        [1, { offset: 1_499n, position: parsePosition("0/1:2999") }],
        [2, undefined],
      ]),
    );
  });

  it("a message larger than the broker's usual megabyte arrives; one beyond the topic's limit is refused by name", async () => {
    const producer = await createChangesProducer(kafka, name, where);
    try {
      await producer.publish([message(2, "x".repeat(5_000_000), 1)]);
      await expect(producer.publish([message(2, "x".repeat(70_000_000), 2)])).rejects.toMatchObject({ code: "REHOUSE_SERVER" });
    } finally {
      await producer.close();
    }
  });

  it("two sends at once are a mistake, because their order would be lost", async () => {
    const producer = await createChangesProducer(kafka, name, where);
    try {
      const first = producer.publish([message(0, "a", 1)]);
      await expect(producer.publish([message(0, "b", 2)])).rejects.toMatchObject({ code: "REHOUSE_INTERNAL" });
      await first;
    } finally {
      await producer.close();
    }
  });

  it("a closed producer fails, and soon", async () => {
    const producer = await createChangesProducer(kafka, name, where);
    await producer.close();
    await expect(producer.publish([message(0, "a", 1)])).rejects.toMatchObject({ code: "REHOUSE_UNREACHABLE" });
  });

  it("a topic that is not there is an error of the closed list", async () => {
    await expect(createChangesProducer(kafka, `${name}.none`, where)).rejects.toMatchObject({
      code: expect.stringMatching(/^REHOUSE_/),
    });
  });
});

it("a broker that is not there is said to be unreachable, without its password", async () => {
  const kafka = new Kafka({ brokers: ["127.0.0.1:1"], logLevel: logLevel.NOTHING, retry: { retries: 0 } });
  const failure = await createChangesTopic(kafka, "x", "127.0.0.1:1")
    .exists()
    .catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: "REHOUSE_UNREACHABLE", where: "127.0.0.1:1" });
  expect(kafkaFailure(failure, "elsewhere")).toBe(failure);
});

function message(partition: number, value: string, ordinal: number): OutgoingMessage {
  return {
    partition,
    key: Buffer.from(`key ${ordinal}`),
    value: Buffer.from(value),
    headers: {
      tenant: Buffer.from("42"),
      empty: Buffer.alloc(0),
      position: Buffer.from(formatPosition(parsePosition(`0/1:${ordinal}`))),
    },
  };
}

/** Read by kafkajs's own decoder. */
async function readAll(topic: string, count: number) {
  const kafka = new Kafka({ brokers: addresses().kafkaBrokers, logLevel: logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId: `${topic}.reader`, maxWaitTimeInMs: 100 });
  const read: object[] = [];
  await consumer.connect();
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ partition, message: { key, value, headers } }) => {
        read.push({ partition, key, value, headers: { ...headers } });
      },
    });
    await waitUntil(() => read.length >= count, { deadlineMs: 30_000, what: `${count} messages` });
  } finally {
    await consumer.disconnect();
  }
  return read as { partition: number }[];
}
