import { describe, expect, it } from "vitest";
import { ALL, moved, open, row } from "./support/items.ts";
import type { Change } from "./support/topic.ts";

describe("a lane", () => {
  it("writes inserts, updates and deletes, and stands behind the last of them", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    scene.topic.commit(10, [row("insert", 1, "a"), row("insert", 2, "a"), row("insert", 3, "a")]);
    scene.topic.commit(11, [row("update", 2, "a", "two", 22), row("delete", 3, "a"), moved(1, 9, "a", "nine")]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["2 a two 22", "9 a nine 0"]);
    const lane = await scene.lane();
    expect([lane?.["next_offset"], lane?.["ordinal"], lane?.["changes"]]).toEqual(["6", "3", "6"]);
  });

  it("counts every change of a tenant once, also those that it has not written down when it ends", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }, { tenant: "b" }]);
    const running = scene.apply();
    for (let id = 1; id <= 30; id++) scene.topic.commit(10 + id, [row("insert", id, id % 3 === 0 ? "b" : "a")]);
    await scene.caughtUp();
    await running.stop();
    expect([(await scene.tenant("a"))["changes"], (await scene.tenant("b"))["changes"]]).toEqual(["20", "10"]);
    expect((await scene.lane())?.["changes"]).toBe("30");
  });

  it("applies nothing twice when it begins again at an older offset", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    scene.topic.commit(10, [row("insert", 1, "a", "old")]);
    scene.topic.commit(11, [row("update", 1, "a", "new")]);
    const first = scene.apply();
    await scene.caughtUp();
    await first.stop();
    await scene.target.query("UPDATE rehouse.lane SET next_offset = 0");
    await scene.target.query("UPDATE public.items SET n = 7");
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 a new 7"]);
    expect((await scene.lane())?.["changes"]).toBe("2");
  });

  it("takes a late repetition in the topic for what it is", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    scene.topic.commit(10, [row("insert", 1, "a", "old")]);
    scene.topic.commit(11, [row("update", 1, "a", "new")]);
    scene.topic.repeat(0, 1);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 a new 0"]);
  });

  it("skips what the copy holds, by the transaction and not by its place", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a", snapshot: "10:14:12" }]);
    for (const xid of [9, 12, 13, 14]) scene.topic.commit(xid, [row("insert", xid, "a")]);
    // No snapshot of the copy sees what is behind its settle LSN; what comes before is looked at.
    await scene.target.query("UPDATE rehouse.tenant SET settle_lsn = 'FFFF/0'");
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["12 a i12 0", "14 a i14 0"]);
  });

  it("sees transactions after a wrap of the 32-bit counter", async () => {
    await using scene = await open();
    const wrap = 2 ** 32;
    await scene.join([{ tenant: "a", snapshot: `${wrap - 2}:${wrap + 2}:${wrap - 2},${wrap + 1}` }]);
    await scene.target.query("UPDATE rehouse.tenant SET settle_lsn = 'FFFF/0'");
    [-3, -2, -1, 0, 1, 2].forEach((off, index) => {
      scene.topic.commit(wrap + off, [row("insert", index, "a")]);
    });
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows("SELECT id FROM public.items ORDER BY id")).toEqual(["1", "4", "5"]);
  });

  it("leaves out tenants that are not its own", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    scene.topic.commit(10, [row("insert", 1, "a"), row("insert", 2, "stranger")]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 a i1 0"]);
  });

  it("asks again for what a fetch left out", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    scene.topic.commit(10, [row("insert", 1, "a"), row("insert", 2, "a"), row("insert", 3, "a")]);
    const reader = scene.topic.reader();
    let isFirst = true;
    scene.apply({
      mainReader: () => ({
        ...reader,
        run: (on, signal) =>
          reader.run(
            {
              ...on,
              receive: (partition, batch) => {
                on.receive(partition, isFirst ? { ...batch, from: batch.from + 2, messages: batch.messages.slice(2) } : batch);
                isFirst = false;
              },
            },
            signal,
          ),
      }),
    });
    await scene.caughtUp();
    expect(await scene.rows("SELECT id FROM public.items ORDER BY id")).toEqual(["1", "2", "3"]);
    expect(scene.topic.sought).toEqual([0n, 0n]);
  });

  it("takes changes in their order, and still at once, where a set of them is refused", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    scene.topic.commit(10, [row("insert", 1, "a", "x"), row("insert", 2, "a", "y")]);
    const running = scene.apply();
    await scene.caughtUp();
    await running.stop();
    // As a set both names are taken; in their order each is free in time.
    scene.topic.commit(11, [row("update", 1, "a", "z")]);
    scene.topic.commit(12, [row("update", 2, "a", "x")]);
    scene.topic.commit(13, [row("update", 1, "a", "y")]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 a y 0", "2 a x 0"]);
    expect(await scene.rows("SELECT count(DISTINCT xmin::text) FROM public.items")).toEqual(["1"]);
    expect((await scene.tenant("a"))["stopped"]).toBeNull();
    expect((await scene.lane())?.["changes"]).toBe("5");
    scene.topic.beat();
    await expect.poll(async () => (await scene.tenant("a"))["changes"]).toBe("5");
  });

  it("applies what comes before a change that is refused, and stops the tenant of that one", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }, { tenant: "b" }]);
    for (let id = 1; id <= 20; id++) scene.topic.commit(10 + id, [row("insert", id, "a"), row("insert", 100 + id, "b")]);
    scene.topic.commit(40, [row("insert", 41, "a"), row("insert", 42, "b", "i42", -1)]);
    scene.topic.commit(41, [row("insert", 43, "a"), row("insert", 44, "b")]);
    scene.apply();
    await scene.caughtUp();
    expect((await scene.tenant("b"))["stopped"]).not.toBeNull();
    expect(await scene.rows("SELECT tenant_id, count(*), max(id) FROM public.items GROUP BY 1 ORDER BY 1")).toEqual([
      "a 22 43",
      "b 20 120",
    ]);
    expect((await scene.lane())?.["changes"]).toBe("42");
  });

  it("never lets the commit time of the newest change go back", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    scene.topic.commit(10, [row("insert", 1, "a")]);
    const first = scene.apply();
    await scene.caughtUp();
    await first.stop();
    const before = (await scene.lane())?.["committed_ms"];
    scene.topic.repeat(0, 1);
    scene.apply();
    await scene.caughtUp();
    expect((await scene.lane())?.["committed_ms"]).toBe(before);
  });
});

describe("the marker that keeps a change from going round for ever", () => {
  it("is the first thing in each of a lane's transactions", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    await scene.target.query("SELECT pg_create_logical_replication_slot(current_database() || '_seen', 'pgoutput')");
    await scene.target.query("CREATE PUBLICATION seen FOR TABLE public.items");
    const changes: Change[] = [row("insert", 1, "a", "x"), row("insert", 2, "a", "x2")];
    scene.topic.commit(10, changes);
    scene.apply();
    await scene.caughtUp();
    // Lanes commit without waiting for the flush that the slot reads up to; another commit brings it about.
    await scene.target.query("CREATE TABLE public.flushed ()");
    const seen = await scene.rows(
      `SELECT chr(get_byte(data, 0)) FROM pg_logical_slot_get_binary_changes(current_database() || '_seen', NULL, NULL, 'proto_version', '1', 'publication_names', 'seen', 'messages', 'true')`,
    );
    for (const [index, kind] of seen.entries()) if (kind === "B") expect(seen[index + 1]).toBe("M");
    expect(seen).toContain("I");
  });
});
