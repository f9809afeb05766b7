import { Kafka, logLevel } from "kafkajs";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Faults, type Stack, startStack } from "../../stack/index.ts";

let stack: Stack;
let faults: Faults;

beforeAll(async () => {
  stack = await startStack({ own: true, postgres: { shared_buffers: "64MB" } });
  if (!stack.faults) throw new Error("servers of one's own can always be broken");
  faults = stack.faults;
});
afterAll(() => stack?.stop());

async function query(url: string, sql: string): Promise<unknown[][]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query({ text: sql, rowMode: "array" })).rows;
  } finally {
    await client.end();
  }
}

test("settings that are asked for take the place of the stack's own", async () => {
  expect(await query(stack.sourceUrl, "SHOW shared_buffers")).toEqual([["64MB"]]);
  expect(await query(stack.targetUrl, "SHOW wal_level")).toEqual([["logical"]]);
});

test.for([undefined, "SIGKILL"] as const)("Postgres comes back with what was committed after %s", async (signal) => {
  await query(stack.sourceUrl, "CREATE TABLE kept AS SELECT 1 AS id");
  await faults.restart("source", signal ? { signal } : {});
  expect(await query(stack.sourceUrl, "SELECT id FROM kept")).toEqual([[1]]);
  await query(stack.sourceUrl, "DROP TABLE kept");
});

test("a server that was killed stays down until it is started", async () => {
  await faults.kill("target", "SIGKILL");
  await expect(query(stack.targetUrl, "SELECT 1")).rejects.toThrow(/ECONNREFUSED/);
  await faults.start("target");
  expect(await query(stack.targetUrl, "SELECT 1")).toEqual([[1]]);
});

test("a server that is stopped answers nobody, not even who is connected, and goes on where it was", async () => {
  const client = new Client({ connectionString: stack.sourceUrl });
  await client.connect();
  await client.query("CREATE TEMPORARY TABLE mine AS SELECT 1 AS id");
  await faults.kill("source", "SIGSTOP");
  let hasAnswered = false;
  const answer = client.query({ text: "SELECT id FROM mine", rowMode: "array" }).then(({ rows }) => {
    hasAnswered = true;
    return rows;
  });
  for (let asked = 0; asked < 20; asked++) await query(stack.targetUrl, "SELECT 1");
  const answeredMeanwhile = hasAnswered;
  await faults.kill("source", "SIGCONT");
  expect(await answer).toEqual([[1]]);
  expect(answeredMeanwhile).toBe(false);
  await client.end();
});

test("the broker comes back with its topics", async () => {
  const topics = async (work: (admin: ReturnType<Kafka["admin"]>) => Promise<unknown>) => {
    const admin = new Kafka({ brokers: stack.kafkaBrokers, logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    try {
      return await work(admin);
    } finally {
      await admin.disconnect();
    }
  };
  await topics((admin) => admin.createTopics({ topics: [{ topic: "kept", numPartitions: 2 }] }));
  await faults.restart("kafka", { signal: "SIGKILL" });
  expect(await topics((admin) => admin.listTopics())).toContain("kept");
});

test("the registry comes back with its schemas", async () => {
  const subjects = `${stack.registryUrl}/subjects`;
  const registered = await fetch(`${subjects}/kept/versions`, {
    method: "POST",
    headers: { "content-type": "application/vnd.schemaregistry.v1+json" },
    body: JSON.stringify({ schema: '"string"' }),
  });
  expect(registered.status).toBe(200);
  await faults.restart("registry", { signal: "SIGKILL" });
  expect(await (await fetch(subjects)).json()).toEqual(["kept"]);
});
