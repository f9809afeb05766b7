/** Who is a member of a group, and for how long. */

import { expect, test } from "vitest";
import { createKafka } from "../../../connectors/kafka/client.ts";
import { createConsumerGroup } from "../../../connectors/kafka/consumer-group.ts";
import { Group } from "../../../connectors/kafka/group.ts";
import { createChangesTopic } from "../../../connectors/kafka/topic.ts";
import { createLogger } from "../../../src/log.ts";
import { addresses, waitUntil } from "../../support/index.ts";

const DEADLINE_MS = 40_000;

test("a member that is ended while it joins is none once the join is through", { timeout: 90_000 }, async () => {
  const brokers = addresses().kafkaBrokers;
  const kafka = createKafka({ brokers }, "test", createLogger("silent"));
  const name = `rehouse.g-${process.pid}-${Date.now()}`;
  const topic = createChangesTopic(kafka, `${name}.changes`, brokers.join(","));
  await topic.ensure({ partitions: 2, replicationFactor: undefined, retentionMs: undefined });
  const group = createConsumerGroup(kafka, name, brokers.join(","));
  // One that is busy does not hear that another wants to join, and holds the join up until it is taken for dead.
  const busy = kafka.consumer({ groupId: name, sessionTimeout: 8_000, rebalanceTimeout: 6_000 });
  let done = (): void => undefined;
  const work = new Promise<void>((resolve) => {
    done = resolve;
  });
  try {
    let isBusy = false;
    await busy.connect();
    await busy.subscribe({ topic: topic.name, fromBeginning: true });
    await busy.run({
      eachBatch: async () => {
        isBusy = true;
        await work;
      },
    });
    const producer = kafka.producer();
    await producer.connect();
    await producer.send({
      topic: topic.name,
      messages: [
        { value: "work", partition: 0 },
        { value: "work", partition: 1 },
      ],
    });
    await producer.disconnect();
    await waitUntil(async () => isBusy, { deadlineMs: DEADLINE_MS, what: "the first member to be busy" });

    const stop = new AbortController();
    const late: (readonly number[])[] = [];
    const run = new Group(kafka, topic.name, name).run((partitions) => late.push(partitions), stop.signal);
    await waitUntil(async () => (await group.members()) === 2, { deadlineMs: DEADLINE_MS, what: "the second member to ask" });
    stop.abort();
    await run;
    await waitUntil(async () => ((await group.members()) ?? 0) === 0, { deadlineMs: DEADLINE_MS, what: "the group to be empty" });
    expect(late).toEqual([]);
  } finally {
    done();
    await busy.disconnect();
    await topic.delete();
  }
});
