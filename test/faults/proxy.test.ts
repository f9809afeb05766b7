/** The proxy breaks what it is asked to break, and nothing else. */

import { Kafka, logLevel } from "kafkajs";
import { Client } from "pg";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { addresses, waitUntil } from "../support/index.ts";
import { Links } from "./support/links.ts";

let links: Links;
const clients: Client[] = [];
beforeAll(async () => {
  links = await Links.open(addresses());
});
afterEach(async () => {
  links.heal();
  await Promise.all(clients.splice(0).map((client) => client.end().catch(() => undefined)));
});
afterAll(() => links?.[Symbol.asyncDispose]());

async function connected(name = "somebody"): Promise<Client> {
  const client = new Client({ connectionString: links.addresses.targetUrl, application_name: name });
  client.on("error", () => undefined);
  clients.push(client);
  await client.connect();
  return client;
}

const one = (client: Client) => client.query("SELECT 1 AS one");

test("what is left alone works: every server answers through it, and a broker sends its clients back to it", async () => {
  expect((await one(await connected())).rows).toEqual([{ one: 1 }]);
  expect((await fetch(`${links.addresses.registryUrl}/subjects`)).status).toBe(200);
  const admin = new Kafka({ brokers: links.addresses.kafkaBrokers, logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  const { brokers } = await admin.describeCluster();
  await admin.disconnect();
  expect(brokers.map(({ host, port }) => `${host}:${port}`)).toEqual(links.addresses.kafkaBrokers);
});

test("large results and large statements pass whole", async () => {
  const client = await connected();
  const { rows } = await client.query("SELECT length($1::text) AS sent, repeat('y', 3000000) AS got", ["x".repeat(3_000_000)]);
  expect([rows[0].sent, rows[0].got.length]).toEqual([3_000_000, 3_000_000]);
});

test.for(["cut", "reset"] as const)("%s breaks what is connected, and new connections are made", async (how) => {
  const client = await connected();
  const waiting = client.query("SELECT pg_sleep(10)").catch((error: unknown) => error);
  links.to("target")[how]();
  expect(await waiting).toBeInstanceOf(Error);
  await one(await connected());
});

test("refuse breaks what is connected and what would be, until it is healed", async () => {
  const client = await connected();
  links.to("target").refuse();
  await expect(one(client)).rejects.toThrow();
  await expect(connected()).rejects.toThrow();
  links.to("target").heal();
  await one(await connected());
});

test("a COMMIT whose answer is lost took effect, and only the one who is meant loses it", async () => {
  const [meant, other] = [await connected("meant"), await connected("other")];
  await other.query(
    "CREATE TEMPORARY TABLE own (n int); CREATE SCHEMA IF NOT EXISTS proxy_test; CREATE TABLE IF NOT EXISTS proxy_test.t (n int)",
  );
  try {
    links
      .to("target")
      .judge(({ kind, bytes }, client) => (kind === "C" && client === "meant" && bytes.includes("COMMIT") ? "lose" : "pass"));
    await other.query("BEGIN; INSERT INTO own VALUES (1); COMMIT");
    await meant.query("BEGIN");
    await meant.query("INSERT INTO proxy_test.t VALUES (7)");
    await expect(meant.query("COMMIT")).rejects.toThrow();
    expect((await other.query("SELECT n FROM proxy_test.t")).rows).toEqual([{ n: 7 }]);
  } finally {
    links.to("target").heal();
    await other.query("DROP SCHEMA proxy_test CASCADE");
  }
});

test("hold lets nothing through in its direction, and heal lets it arrive", async () => {
  const client = await connected();
  for (const direction of ["to-server", "to-client"] as const) {
    links.to("target").hold(direction);
    let isThere = false;
    const answer = one(client).then(() => {
      isThere = true;
    });
    // Another way to the same server is as quick as ever.
    expect((await fetch(`${links.addresses.registryUrl}/subjects`)).status).toBe(200);
    expect(isThere).toBe(false);
    links.to("target").heal();
    await answer;
  }
});

test("delay and throttle take their time", async () => {
  const client = await connected();
  const took = async (work: () => Promise<unknown>) => {
    const began = performance.now();
    await work();
    return performance.now() - began;
  };
  links.to("target").delay(100, "to-server", "to-client");
  expect(await took(() => one(client))).toBeGreaterThan(195);
  links.to("target").heal();
  links.to("target").throttle(500_000, "to-client");
  expect(await took(() => client.query("SELECT repeat('y', 100000)"))).toBeGreaterThan(190);
});

test("an answer can be given in a server's place", async () => {
  const answer = Buffer.from("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  links.to("registry").judge(({ direction }) => (direction === "to-server" ? { answer } : "pass"));
  expect((await fetch(`${links.addresses.registryUrl}/subjects`)).status).toBe(500);
});

test("nothing is left of a connection that is over", async () => {
  const before = links.to("target").connections;
  const client = await connected();
  expect(links.to("target").connections).toBe(before + 1);
  await client.end();
  await waitUntil(() => links.to("target").connections === before, { deadlineMs: 5_000, what: "the connection to go" });
});
