import avro from "avsc";
import { Kafka, logLevel } from "kafkajs";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createKafka } from "../../connectors/kafka/client.ts";
import { createChangesProducer } from "../../connectors/kafka/producer.ts";
import { createChangesTopic } from "../../connectors/kafka/topic.ts";
import { createSchemaRegistry } from "../../connectors/registry/registry.ts";
import { schemaIdOf } from "../../src/envelope/index.ts";
import { deliverRoutes, recordRoute, routesTopicName, topicChannel } from "../../src/route/index.ts";
import { addresses, waitUntil } from "../support/index.ts";
import { freshRoutes, type Routes } from "./support.ts";

const log = pino({ level: "silent" });

describe("the topic of the routes", () => {
  const registry = createSchemaRegistry({ url: addresses().registryUrl });
  const kafka = createKafka({ brokers: addresses().kafkaBrokers }, "test", log);
  let routes: Routes;
  let name: string;
  beforeAll(async () => {
    routes = await freshRoutes();
    name = routesTopicName(routes.migration);
  });
  afterAll(async () => {
    await createChangesTopic(kafka, name, "Kafka").delete();
    for (const subject of await registry.subjects(`${name}-`)) await registry.remove(subject);
    await routes[Symbol.asyncDispose]();
  });

  it("is compacted, and says to any Avro reader where each tenant lives", async () => {
    const topic = createChangesTopic(kafka, name, "Kafka");
    const channel = topicChannel({
      topic,
      producer: () => createChangesProducer(kafka, name, "Kafka"),
      registry,
      replicationFactor: undefined,
    });
    const before = Date.now() - 1_000;
    for (const [tenant, home, schema] of [
      ["42", "target", "tenant_42"],
      ["é'43", "target", undefined],
      ["42", "source", undefined],
    ] as const)
      await routes.target.transaction((session) => recordRoute(session, { migration: routes.migration, tenant, home, schema }));

    const stop = new AbortController();
    const delivering = deliverRoutes(
      { migration: routes.migration, target: routes.target, channels: [channel], log },
      stop.signal,
    );
    const messages = await readAll(name, 3);
    stop.abort();
    await delivering;

    const decode = async (bytes: Buffer) =>
      avro.Type.forSchema(JSON.parse(await registry.schema(schemaIdOf(bytes)))).fromBuffer(bytes.subarray(5));
    const read = await Promise.all(messages.map(async ({ key, value }) => [await decode(key), await decode(value)]));
    const since = expect.any(Number);
    const { migration } = routes;
    expect(read).toMatchObject([
      [{ tenant: "42" }, { migration, tenant: "42", home: "target", schema: "tenant_42", since, generation: 1 }],
      [{ tenant: "é'43" }, { migration, tenant: "é'43", home: "target", schema: null, since, generation: 1 }],
      [{ tenant: "42" }, { migration, tenant: "42", home: "source", schema: null, since, generation: 2 }],
    ]);
    expect(messages[0]?.key).toEqual(messages[2]?.key);
    for (const [, value] of read) {
      expect(value.since).toBeGreaterThan(before);
      expect(value.since).toBeLessThan(Date.now() + 1_000);
    }
    await expect(topic.ensure({ partitions: 1, replicationFactor: undefined, retentionMs: undefined })).rejects.toMatchObject({
      code: "REHOUSE_TOPIC_MISMATCH",
      message: expect.stringContaining("cleanup.policy compact where delete is needed"),
    });
  });
});

async function readAll(topic: string, count: number): Promise<{ key: Buffer; value: Buffer }[]> {
  const client = new Kafka({ brokers: addresses().kafkaBrokers, logLevel: logLevel.NOTHING });
  const admin = client.admin();
  await admin.connect();
  await waitUntil(async () => (await admin.listTopics()).includes(topic), { deadlineMs: 20_000, what: "the topic to be made" });
  await admin.disconnect();
  const consumer = client.consumer({ groupId: `${topic}-test` });
  const messages: { key: Buffer; value: Buffer }[] = [];
  await consumer.connect();
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ message: { key, value } }) => {
        if (key !== null && value !== null) messages.push({ key, value });
      },
    });
    await waitUntil(() => messages.length >= count, { deadlineMs: 30_000, what: `${count} routes` });
    return messages;
  } finally {
    await consumer.disconnect();
  }
}
