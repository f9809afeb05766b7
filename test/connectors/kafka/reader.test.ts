/** The readers against a real broker, and against what kafkajs' own producer writes. */

import { CompressionTypes, type Kafka } from "kafkajs";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { createKafka } from "../../../connectors/kafka/client.ts";
import { createChangesProducer } from "../../../connectors/kafka/producer.ts";
import { createGroupReader, createPartitionReader } from "../../../connectors/kafka/reader.ts";
import { createTailReader } from "../../../connectors/kafka/tail.ts";
import { createChangesTopic } from "../../../connectors/kafka/topic.ts";
import { createLogger } from "../../../src/log.ts";
import { formatPosition, parsePosition } from "../../../src/model/position.ts";
import type { ChangesReader, ChangesTopic, IncomingMessage } from "../../../src/ports.ts";
import { Links } from "../../faults/support/links.ts";
import { addresses, waitUntil } from "../../support/index.ts";

const PARTITIONS = 4;

let where: string;
let kafka: Kafka;
let topic: ChangesTopic;
let count = 0;

beforeAll(() => {
  where = addresses().kafkaBrokers.join(",");
  kafka = createKafka({ brokers: addresses().kafkaBrokers }, "test", createLogger("silent"));
});

/** A topic of its own. */
async function freshTopic(): Promise<ChangesTopic> {
  count += 1;
  topic = createChangesTopic(kafka, `rehouse.r-${process.pid}-${Date.now()}-${count}.changes`, where);
  topics.push(topic);
  await topic.ensure({ partitions: PARTITIONS, replicationFactor: undefined, retentionMs: undefined });
  return topic;
}

const topics: ChangesTopic[] = [];
afterAll(async () => {
  for (const one of topics) await one.delete();
});

type Run = { readonly reader: ChangesReader; readonly assigned: number[][]; readonly lost: number[]; stop(): Promise<void> };
const running = new Set<Run>();
afterEach(async () => {
  for (const { stop } of running) await stop();
});

/** A reader at work, which seeks each partition that it is given for the first time to its beginning. */
function start(reader: ChangesReader, receive: (partition: number, message: IncomingMessage) => void = () => undefined): Run {
  const stop = new AbortController();
  const known = new Set<number>();
  const run: Run = {
    reader,
    assigned: [],
    lost: [],
    stop: async () => {
      running.delete(run);
      stop.abort();
      await done;
    },
  };
  const done = reader.run(
    {
      assigned: (partitions) => {
        run.assigned.push([...partitions].sort());
        for (const partition of partitions) if (!known.has(partition)) reader.seek(partition, 0n);
        known.clear();
        for (const partition of partitions) known.add(partition);
      },
      receive: (partition, { messages }) => {
        for (const message of messages) receive(partition, message);
      },
      outOfRange: (partition) => run.lost.push(partition),
    },
    stop.signal,
  );
  running.add(run);
  return run;
}

const groupReader = (through = kafka) =>
  createGroupReader(through, topic.name.replace(/\.changes$/, ""), { topic: topic.name, where });
const partitionReader = (partition: number, through = kafka) =>
  createPartitionReader(through, partition, { topic: topic.name, where });

it("reads what the producer writes, of each partition in order, while more comes", async () => {
  await freshTopic();
  const producer = await createChangesProducer(kafka, topic.name, where);
  const read = new Map<number, IncomingMessage[]>();
  start(groupReader(), (partition, message) => read.set(partition, [...(read.get(partition) ?? []), message]));
  try {
    for (let round = 0; round < 20; round += 1) {
      await producer.publish(
        Array.from({ length: 200 }, (_, i) => ({
          partition: i % PARTITIONS,
          key: Buffer.from("key"),
          value: Buffer.from(`${round} `.repeat(1 + ((7 * i) % 300))),
          headers: { tenant: Buffer.from(`t${i % 10}`), position: Buffer.from(formatPosition(at(round, i))) },
        })),
      );
    }
  } finally {
    await producer.close();
  }
  await waitUntil(() => [...read.values()].flat().length >= 4_000, { deadlineMs: 30_000, what: "all messages" });
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    const messages = read.get(partition) ?? [];
    expect(messages.map(({ offset }) => offset)).toEqual(Array.from({ length: 1_000 }, (_, i) => i));
    for (const [index, { value, position, tenant }] of messages.entries()) {
      const [round, i] = [Math.floor(index / 50), (index % 50) * PARTITIONS + partition];
      expect([tenant, position, value.length]).toEqual([`t${i % 10}`, at(round, i), `${round} `.length * (1 + ((7 * i) % 300))]);
    }
  }
});

it("reads what kafkajs writes: compressed, in a transaction, with headers of every kind, and without a value", async () => {
  await freshTopic();
  const producer = kafka.producer({ allowAutoTopicCreation: false });
  const transactional = kafka.producer({ allowAutoTopicCreation: false, transactionalId: topic.name, maxInFlightRequests: 1 });
  await Promise.all([producer.connect(), transactional.connect()]);
  try {
    const headers = { tenant: "42", txLast: "", several: ["a", "b"], position: "0/1A:7", unavailable: "note" };
    const send = { topic: topic.name, acks: -1 } as const;
    await producer.send({ ...send, messages: [{ partition: 0, key: null, value: "plain", headers }] });
    await producer.send({
      ...send,
      compression: CompressionTypes.GZIP,
      messages: ["one", "two"].map((value) => ({ partition: 0, key: "k", value, headers })),
    });
    await producer.send({ ...send, messages: [{ partition: 0, key: "k", value: null }] });
    const transaction = await transactional.transaction();
    await transaction.send({ topic: topic.name, messages: [{ partition: 0, value: "in a transaction" }] });
    await transaction.commit();
    // The broker answers before the transaction's end is in the log.
    const isEnded = async () => (await topic.offsets())[0]?.high === 6n;
    await waitUntil(isEnded, { deadlineMs: 10_000, what: "the control batch" });
    await producer.send({ ...send, messages: [{ partition: 0, value: "bare" }] });
  } finally {
    await Promise.all([producer.disconnect(), transactional.disconnect()]);
  }
  const read: IncomingMessage[] = [];
  start(partitionReader(0), (_partition, message) => read.push(message));
  await waitUntil(() => read.at(-1)?.value.toString() === "bare", { deadlineMs: 20_000, what: "the last message" });
  const full = { tenant: "42", isTxLast: true, position: parsePosition("0/1A:7"), unavailable: "note" };
  const none = { tenant: undefined, isTxLast: false, position: undefined, unavailable: undefined };
  expect(read).toEqual([
    { offset: 0, value: Buffer.from("plain"), ...full },
    { offset: 1, value: Buffer.from("one"), ...full },
    { offset: 2, value: Buffer.from("two"), ...full },
    { offset: 4, value: Buffer.from("in a transaction"), ...none },
    { offset: 6, value: Buffer.from("bare"), ...none },
  ]);
  await expect(createTailReader(kafka, topic, where).last()).rejects.toMatchObject({ code: "REHOUSE_SERVER" });
});

it("shares the partitions of a group out, and reads each on where it is sought when it changes hands", async () => {
  await freshTopic();
  const producer = await createChangesProducer(kafka, topic.name, where);
  const write = (value: string) =>
    producer.publish(
      Array.from({ length: PARTITIONS }, (_, partition) => ({
        partition,
        key: Buffer.from("k"),
        value: Buffer.from(value),
        headers: {},
      })),
    );
  const reads: string[][] = [[], []];
  const into = (index: number) => (partition: number, message: IncomingMessage) =>
    reads[index]?.push(`${partition}/${message.offset}`);
  try {
    const first = start(groupReader(), into(0));
    await waitUntil(() => first.assigned.at(-1)?.length === PARTITIONS, { deadlineMs: 30_000, what: "all partitions" });
    await write("one");
    await waitUntil(() => reads[0]?.length === PARTITIONS, { deadlineMs: 10_000, what: "the first messages" });
    const second = start(groupReader(), into(1));
    await waitUntil(() => first.assigned.at(-1)?.length === 2 && second.assigned.at(-1)?.length === 2, {
      deadlineMs: 30_000,
      what: "two partitions each",
    });
    await write("two");
    await waitUntil(() => reads[0]?.length === PARTITIONS + 2 && reads[1]?.length === 4, {
      deadlineMs: 10_000,
      what: "a share each",
    });
    expect(
      first.assigned
        .at(-1)
        ?.concat(second.assigned.at(-1) ?? [])
        .sort(),
    ).toEqual([0, 1, 2, 3]);
    // What stayed goes on, what is new begins at its beginning.
    const [stayed = [], moved = []] = [first.assigned.at(-1), second.assigned.at(-1)];
    expect(reads[0]?.slice(PARTITIONS).sort()).toEqual(stayed.map((partition) => `${partition}/1`));
    expect(reads[1]?.sort()).toEqual(moved.flatMap((partition) => [`${partition}/0`, `${partition}/1`]));
    await second.stop();
    await waitUntil(() => first.assigned.at(-1)?.length === PARTITIONS, { deadlineMs: 30_000, what: "all partitions again" });
    first.reader.committed(0, 2n);
  } finally {
    await producer.close();
  }
});

it("says that the topic was trimmed, or ends before the place that is asked for", async () => {
  await freshTopic();
  const producer = await createChangesProducer(kafka, topic.name, where);
  const admin = kafka.admin();
  await admin.connect();
  try {
    for (let i = 0; i < 3; i += 1)
      await producer.publish([{ partition: 0, key: Buffer.from("k"), value: Buffer.from(`${i}`), headers: {} }]);
    await admin.fetchTopicOffsets(topic.name); // kafkajs needs to know the topic
    await admin.deleteTopicRecords({ topic: topic.name, partitions: [{ partition: 0, offset: "2" }] });
  } finally {
    await admin.disconnect();
    await producer.close();
  }
  const read: number[] = [];
  const run = start(partitionReader(0), (_partition, { offset }) => read.push(offset));
  await waitUntil(() => run.lost.length === 1, { deadlineMs: 10_000, what: "the trimmed place to be told" });
  run.reader.seek(0, 9n);
  await waitUntil(() => run.lost.length === 2, { deadlineMs: 10_000, what: "the place beyond the end to be told" });
  run.reader.seek(0, 2n);
  await waitUntil(() => read.length === 1, { deadlineMs: 10_000, what: "what is left" });
  expect(read).toEqual([2]);
});

it("has a message of one partition within milliseconds of its seek, though the others have none", async () => {
  await freshTopic();
  const producer = await createChangesProducer(kafka, topic.name, where);
  const arrivals: number[] = [];
  const again = () => {
    arrivals.push(performance.now());
    if (arrivals.length < 20) setImmediate(() => run.reader.seek(1, 0n));
  };
  const run = start(groupReader(), again);
  try {
    await producer.publish([{ partition: 1, key: Buffer.from("k"), value: Buffer.from("x"), headers: {} }]);
    await waitUntil(() => arrivals.length === 20, { deadlineMs: 30_000, what: "the message, again and again" });
    // Behind the others' requests, which wait for 200 ms, it would be some seconds.
    expect((arrivals.at(-1) ?? 0) - (arrivals[0] ?? 0)).toBeLessThan(1_000);
  } finally {
    await producer.close();
  }
});

it("ends by itself when its topic is not there, and soon when it is told to", async () => {
  await freshTopic();
  const reader = createPartitionReader(kafka, 0, { topic: `${topic.name}.none`, where });
  const on = { assigned: () => undefined, receive: () => undefined, outOfRange: () => undefined };
  await expect(reader.run(on, new AbortController().signal)).rejects.toMatchObject({ code: expect.stringMatching(/^REHOUSE_/) });
  await partitionReader(0).run(on, AbortSignal.abort());
});

function at(round: number, i: number) {
  return parsePosition(`0/${(round + 1).toString(16)}:${i + 1}`);
}

it.each([
  { who: "a member of a group that waits for messages", of: groupReader, isAsking: true },
  { who: "a reader that connects", of: (through: Kafka) => partitionReader(0, through), isAsking: false },
])("$who ends while the broker is silent", { timeout: 60_000 }, async ({ of, isAsking }) => {
  await freshTopic();
  await using links = await Links.open(addresses());
  const proxy = links.to("kafka");
  let asked = !isAsking;
  proxy.judge(({ kind }) => {
    if (kind === "Fetch") asked = true;
    return "pass";
  });
  const run = start(of(createKafka({ brokers: links.addresses.kafkaBrokers }, "test", createLogger("silent"))));
  await waitUntil(() => run.assigned.length > 0 && asked, {
    deadlineMs: 30_000,
    what: "partitions, and a request for their messages",
  });
  proxy.hold("to-client");
  const began = performance.now();
  await run.stop();
  expect(performance.now() - began).toBeLessThan(10_000);
});
