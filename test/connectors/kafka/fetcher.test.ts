import { afterEach, describe, expect, it } from "vitest";
import { Fetcher } from "../../../connectors/kafka/fetcher.ts";
import { FakeCluster } from "./fake-cluster.ts";

const OFFSET_NOT_AVAILABLE = 78;
const FENCED_LEADER_EPOCH = 74;
const TOPIC_AUTHORIZATION_FAILED = 29;
/** Before a second attempt, which looks for the leader anew. */
const PATIENCE = { timeout: 5_000 };

/** A fetcher at work on `cluster`, with what it has handed out so far. */
function start(cluster: FakeCluster, partitions: readonly number[]) {
  const fetcher = new Fetcher(cluster, { topic: "topic", where: "here" });
  const read: string[] = [];
  const lost: number[] = [];
  const stop = new AbortController();
  fetcher.assign(partitions);
  const done = fetcher.run(
    {
      receive: (partition, { messages }) => read.push(...messages.map(({ offset, value }) => `${partition}/${offset} ${value}`)),
      outOfRange: (partition) => lost.push(partition),
    },
    stop.signal,
  );
  done.catch(() => undefined);
  running.push(async () => {
    stop.abort();
    await done.catch(() => undefined);
  });
  return { fetcher, read, lost, done, stop };
}

const running: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of running.splice(0)) await end();
});

/** Lets everything happen that waits for nothing outside. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

describe("a fetcher", () => {
  it("reads each partition from where it was sought, and goes on with what comes", async () => {
    const cluster = new FakeCluster({ 0: "a", 1: "b" });
    cluster.append(0, "zero", "one", "two");
    cluster.append(1, "here");
    const { fetcher, read } = start(cluster, [0, 1]);
    await settle();
    expect(cluster.asked).toEqual([]);
    fetcher.seek(0, 1n);
    fetcher.seek(1, 0n);
    await settle();
    cluster.append(0, "three");
    await settle();
    expect(read).toEqual(["0/1 one", "0/2 two", "1/0 here", "0/3 three"]);
    expect(cluster.open.map(({ node, offsets }) => [node, ...offsets])).toEqual([
      ["b", [1, 1]],
      ["a", [0, 4]],
    ]);
  });

  it("asks for a partition at once, though the broker waits for messages of the others", async () => {
    const cluster = new FakeCluster({ 0: "a", 1: "a", 2: "a" });
    for (const partition of [1, 2]) cluster.append(partition, "there");
    const { fetcher, read } = start(cluster, [0, 1, 2]);
    await settle();
    fetcher.seek(0, 0n);
    await settle();
    expect(cluster.open.map(({ connection, offsets }) => [connection, ...offsets.keys()])).toEqual([[1, 0]]);
    fetcher.seek(1, 0n);
    await settle();
    expect(read).toEqual(["1/0 there"]);
    const [waiting, brief] = cluster.open;
    expect(brief?.waitMs).toBeLessThan((waiting?.waitMs ?? 0) / 10);
    // Now both connections are taken, the second one for a moment only.
    fetcher.seek(2, 0n);
    await settle();
    expect(cluster.open).toHaveLength(2);
    brief?.expire();
    await settle();
    expect(read).toEqual(["1/0 there", "2/0 there"]);
  });

  it("asks for all of them in one request again, once its long one has come back", async () => {
    const cluster = new FakeCluster({ 0: "a", 1: "a" });
    const { fetcher } = start(cluster, [0, 1]);
    await settle();
    fetcher.seek(0, 0n);
    await settle();
    fetcher.seek(1, 0n);
    await settle();
    const [waiting, brief] = cluster.open;
    waiting?.expire();
    await settle();
    const [, again] = cluster.open;
    expect([...(again?.offsets.keys() ?? [])]).toEqual([0]);
    expect(again?.waitMs).toBe(brief?.waitMs);
    brief?.expire();
    await settle();
    expect(cluster.open).toEqual([again]);
    again?.expire();
    await settle();
    expect(cluster.open.map(({ waitMs, offsets }) => [waitMs, ...offsets.keys()])).toEqual([[waiting?.waitMs, 0, 1]]);
  });

  it("fetches ahead for a paused partition, once, and has it at hand when it is resumed", async () => {
    const cluster = new FakeCluster({ 0: "a" });
    const { fetcher, read } = start(cluster, [0]);
    await settle();
    fetcher.seek(0, 0n);
    fetcher.pause(0);
    await settle();
    cluster.append(0, "one");
    cluster.append(0, "two");
    await settle();
    expect(read).toEqual([]);
    expect(cluster.open).toEqual([]);
    fetcher.resume(0);
    expect(read).toEqual(["0/0 one"]);
    await settle();
    expect(read).toEqual(["0/0 one", "0/1 two"]);
  });

  it("drops what it has fetched, and what is on its way, for a partition that is sought elsewhere", async () => {
    const cluster = new FakeCluster({ 0: "a" });
    cluster.append(0, "zero");
    const { fetcher, read } = start(cluster, [0]);
    await settle();
    fetcher.seek(0, 0n);
    fetcher.pause(0);
    await settle();
    fetcher.seek(0, 1n);
    fetcher.resume(0);
    await settle();
    expect(read).toEqual([]);
    fetcher.seek(0, 2n);
    cluster.append(0, "one", "two");
    await settle();
    expect(read).toEqual(["0/2 two"]);
  });

  it("asks at once for a partition that is sought elsewhere while it is asked for", async () => {
    const cluster = new FakeCluster({ 0: "a" });
    cluster.append(0, "zero");
    const { fetcher, read } = start(cluster, [0]);
    await settle();
    fetcher.seek(0, 1n);
    await settle();
    const [waiting] = cluster.open;
    fetcher.seek(0, 0n);
    await settle();
    expect(read).toEqual(["0/0 zero"]);
    cluster.append(0, "one");
    await settle();
    expect(waiting?.isOpen).toBe(false);
    expect(read).toEqual(["0/0 zero", "0/1 one"]);
  });

  it("reads no more of a partition that is taken away, and goes on with the others where it was", async () => {
    const cluster = new FakeCluster({ 0: "a", 1: "a" });
    const { fetcher, read } = start(cluster, [0, 1]);
    await settle();
    for (const partition of [0, 1]) fetcher.seek(partition, 0n);
    await settle();
    fetcher.assign([1]);
    for (const partition of [0, 1]) cluster.append(partition, "one");
    await settle();
    fetcher.assign([0, 1]);
    cluster.append(1, "two");
    await settle();
    expect(read).toEqual(["1/0 one", "1/1 two"]);
  });

  it("asks first for whom it has served least", async () => {
    const cluster = new FakeCluster({ 0: "a", 1: "a", 2: "a" });
    cluster.bytes = 1;
    const { fetcher, read } = start(cluster, [0, 1, 2]);
    for (const partition of [0, 1, 2]) {
      for (const value of ["one", "two"]) cluster.append(partition, value);
      fetcher.seek(partition, 0n);
    }
    await expect.poll(() => read).toHaveLength(6);
    expect(read.map((text) => text[0])).toEqual(["0", "1", "2", "0", "1", "2"]);
  });

  it("says so when the topic has nothing where it asks, and stands still until it is sought again", async () => {
    const cluster = new FakeCluster({ 0: "a", 1: "a" });
    cluster.append(0, "zero", "one");
    cluster.append(0, "two");
    cluster.trim(0, 2);
    const { fetcher, read, lost } = start(cluster, [0, 1]);
    fetcher.seek(0, 1n);
    fetcher.seek(1, 7n);
    await expect.poll(() => lost).toEqual([0, 1]);
    await settle();
    expect(cluster.open).toEqual([]);
    fetcher.seek(0, 2n);
    await settle();
    expect(read).toEqual(["0/2 two"]);
  });

  it("follows a partition to its new leader", async () => {
    const cluster = new FakeCluster({ 0: "a", 1: "a" });
    const { fetcher, read } = start(cluster, [0, 1]);
    for (const partition of [0, 1]) fetcher.seek(partition, 0n);
    await expect.poll(() => cluster.open).toHaveLength(1);
    cluster.leaders.set(0, "b");
    cluster.append(1, "one");
    await expect.poll(() => cluster.open.some(({ node }) => node === "b"), PATIENCE).toBe(true);
    cluster.append(0, "two");
    await settle();
    expect(read).toEqual(["1/0 one", "0/0 two"]);
  });

  it.each([
    ["an epoch that is over", FENCED_LEADER_EPOCH],
    ["an offset that is not there yet", OFFSET_NOT_AVAILABLE],
  ])("tries again after an answer about %s, while others are read on", async (_what, code) => {
    const cluster = new FakeCluster({ 0: "a", 1: "a" });
    cluster.errors.set(0, code);
    const { fetcher, read } = start(cluster, [0, 1]);
    for (const partition of [0, 1]) {
      cluster.append(partition, "one");
      fetcher.seek(partition, 0n);
    }
    await expect.poll(() => read).toEqual(["1/0 one"]);
    cluster.append(1, "two");
    await expect.poll(() => read).toEqual(["1/0 one", "1/1 two"]);
    cluster.errors.clear();
    await expect.poll(() => read, PATIENCE).toEqual(["1/0 one", "1/1 two", "0/0 one"]);
  });

  it("goes on where it was when the broker comes back, and when a connection breaks", async () => {
    const cluster = new FakeCluster({ 0: "a" });
    cluster.append(0, "one");
    const { fetcher, read } = start(cluster, [0]);
    fetcher.seek(0, 0n);
    await expect.poll(() => read).toEqual(["0/0 one"]);
    cluster.gone.add("a");
    cluster.open[0]?.cut();
    await expect.poll(() => cluster.refreshes, PATIENCE).toBeGreaterThan(1);
    cluster.append(0, "two");
    cluster.gone.clear();
    await expect.poll(() => read, PATIENCE).toEqual(["0/0 one", "0/1 two"]);
  });

  it("gives up on a broker that stays away, and at once on one that refuses", async () => {
    const cluster = new FakeCluster({ 0: "a", 1: "b" });
    cluster.errors.set(1, TOPIC_AUTHORIZATION_FAILED);
    const refused = start(cluster, [1]);
    refused.fetcher.seek(1, 0n);
    await expect(refused.done).rejects.toMatchObject({
      code: "REHOUSE_SERVER",
      message: expect.stringContaining("AUTHORIZATION"),
    });
    cluster.gone.add("a");
    const away = start(cluster, [0]);
    away.fetcher.seek(0, 0n);
    await expect(away.done).rejects.toMatchObject({ code: "REHOUSE_UNREACHABLE", where: "here" });
  });
});
