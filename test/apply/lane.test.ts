import { describe, expect, it } from "vitest";
import { ConnectionLost, type Database } from "../../src/ports.ts";
import { Scene } from "./support/scene.ts";
import { table } from "./support/tables.ts";
import type { Change, RowChange, Values } from "./support/topic.ts";

const items = table({ name: "items", columns: ["id bigint", "tenant_id text", "name text", "n integer"] });
const ITEMS = "CREATE TABLE public.items (id bigint PRIMARY KEY, tenant_id text, name text UNIQUE, n integer CHECK (n >= 0));";
const ALL = "SELECT id, tenant_id, name, n FROM public.items ORDER BY id";

const open = (over: { target?: string; plainRole?: boolean } = {}) => Scene.open({ tables: [items], target: ITEMS, ...over });

function row(op: RowChange["op"], id: number, tenant: string, name = `i${id}`, n = 0): RowChange {
  const values: Values = [`${id}`, tenant, name, `${n}`];
  const key: Values = [`${id}`, tenant, null, null];
  return { op, table: "public.items", tenant, ...(op === "delete" ? { before: key } : { after: values }) };
}

/** As an update of the key arrives: with the old key. */
function moved(from: number, to: number, tenant: string, name: string): RowChange {
  return {
    op: "update",
    table: "public.items",
    tenant,
    before: [`${from}`, tenant, null, null],
    after: [`${to}`, tenant, name, "0"],
  };
}

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

  it("applies a transaction beyond its bounds in pieces, and shows none of it before its end", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    scene.topic.fetch = 5_000;
    const huge = Array.from({ length: 25_000 }, (_, index) => row("insert", index, "a"));
    scene.topic.commit(10, [row("insert", 100_000, "a"), ...huge]);
    // The end is not there yet.
    const end = scene.topic.messages.splice(24_000);
    const running = scene.apply();
    const written = () =>
      scene.target.query(
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE '% apply' AND state = 'idle in transaction'",
      );
    await expect.poll(written, { timeout: 10_000 }).toHaveLength(1);
    expect(await scene.rows("SELECT count(*) FROM public.items")).toEqual(["0"]);
    scene.topic.messages.push(...end);
    scene.topic.beat();
    await scene.caughtUp();
    expect(await scene.rows("SELECT count(*) FROM public.items")).toEqual(["25001"]);
    expect((await scene.lane())?.["changes"]).toBe("25001");
    await running.stop();
  });

  it("ends at once in the middle of a transaction, and leaves nothing of it", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    scene.topic.fetch = 5_000;
    scene.topic.commit(
      10,
      Array.from({ length: 20_000 }, (_, index) => row("insert", index, "a")),
    );
    scene.topic.messages.splice(18_000);
    const running = scene.apply();
    await expect
      .poll(async () => (await scene.sessions()).some((session) => session["state"] === "idle in transaction"), {
        timeout: 10_000,
      })
      .toBe(true);
    await running.stop();
    await expect.poll(() => scene.sessions()).toEqual([]);
    expect(await scene.rows("SELECT count(*) FROM public.items")).toEqual(["0"]);
  });

  it("ends at once while somebody holds a lock at the target", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    const locker = await scene.target.connect();
    await locker.query("BEGIN");
    await locker.query("LOCK TABLE public.items");
    scene.topic.commit(10, [row("insert", 1, "a")]);
    const running = scene.apply();
    const waiting = () => scene.target.query("SELECT FROM pg_locks WHERE NOT granted AND relation = 'public.items'::regclass");
    await expect.poll(waiting, { timeout: 10_000 }).toHaveLength(1);
    await running.stop();
    await locker.close(true);
  });

  it("goes on where another process has moved it to, and writes nothing of its own stale batch", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    scene.topic.commit(10, [row("insert", 1, "a")]);
    scene.apply();
    await scene.caughtUp();
    // Offsets 1 and 2 were applied by somebody else, who says so.
    await scene.target.query("UPDATE rehouse.lane SET next_offset = 3, lsn = '0/1300', ordinal = 1");
    scene.topic.commit(11, [row("insert", 2, "a")]);
    scene.topic.commit(12, [row("insert", 3, "a")]);
    scene.topic.commit(13, [row("insert", 4, "a")]);
    await scene.caughtUp();
    expect(await scene.rows("SELECT id FROM public.items ORDER BY id")).toEqual(["1", "4"]);
    expect(scene.reports).toEqual([]);
  });

  it("takes changes one by one where a set of them is refused", async () => {
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
    expect((await scene.tenant("a"))["stopped"]).toBeNull();
    expect((await scene.lane())?.["changes"]).toBe("5");
    scene.topic.beat();
    await expect.poll(async () => (await scene.tenant("a"))["changes"]).toBe("5");
  });

  it("waits out an answer that says nothing about the rows", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    await scene.target.query(`
      CREATE SEQUENCE public.attempts;
      CREATE FUNCTION public.moody() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF nextval('public.attempts') < 3 THEN RAISE 'not now' USING ERRCODE = '53200'; END IF;
        RETURN NEW;
      END $$;
      CREATE TRIGGER moody BEFORE INSERT ON public.items FOR EACH ROW EXECUTE FUNCTION public.moody();
      ALTER TABLE public.items ENABLE ALWAYS TRIGGER moody;`);
    scene.topic.commit(10, [row("insert", 1, "a")]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 a i1 0"]);
    expect(scene.reports.map((report) => report?.code)).toEqual(["REHOUSE_UNREACHABLE", "REHOUSE_UNREACHABLE", undefined]);
  });

  it("without a tenant says that it goes on as soon as the target answers again", async () => {
    await using scene = await open();
    const { target: real } = scene;
    let refused = 0;
    const target: Database = {
      place: real.place,
      query: (sql, params) => real.query(sql, params),
      transaction: (body) => real.transaction(body),
      connect: async (options) => {
        if (++refused <= 2) throw new ConnectionLost("gone");
        return real.connect(options);
      },
      close: () => real.close(),
    };
    scene.apply({ target });
    await expect
      .poll(() => scene.reports.map((report) => report?.code), { timeout: 10_000 })
      .toEqual(["REHOUSE_UNREACHABLE", "REHOUSE_UNREACHABLE", undefined]);
  });

  it("waits for nothing any more once it is over", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    await scene.target.query("ALTER FUNCTION rehouse.advance_lane RENAME TO away");
    await scene.target.query(`
      CREATE FUNCTION rehouse.advance_lane(text, int, text, bigint, bigint, bigint, pg_lsn, bigint, bigint, bigint) RETURNS void
        LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now' USING ERRCODE = '53200'; END $$`);
    scene.topic.commit(10, [row("insert", 1, "a")]);
    const running = scene.apply();
    await expect.poll(() => scene.reports.at(-1)?.code, { timeout: 10_000 }).toBe("REHOUSE_UNREACHABLE");
    await running.stop();
    expect(scene.reports.at(-1)).toBeUndefined();
  });

  it("comes back when its connection is cut", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    scene.topic.commit(10, [row("insert", 1, "a")]);
    scene.apply();
    await scene.caughtUp();
    await scene.target.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE '% apply'",
    );
    scene.topic.commit(11, [row("insert", 2, "a")]);
    await scene.caughtUp();
    expect(await scene.rows("SELECT id FROM public.items ORDER BY id")).toEqual(["1", "2"]);
    expect(await scene.sessions()).toHaveLength(1);
  });

  it("goes on when its partition is taken away and given back before it has ended", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    scene.topic.commit(10, [row("insert", 1, "a")]);
    const reader = scene.topic.reader();
    let assign: (partitions: readonly number[]) => void = () => {};
    scene.apply({
      mainReader: () => ({
        ...reader,
        run: (on, signal) => {
          assign = on.assigned;
          return reader.run(on, signal);
        },
      }),
    });
    await scene.caughtUp();
    for (let id = 2; id < 20; id++) {
      assign([]);
      assign([0]);
      scene.topic.commit(10 + id, [row("insert", id, "a")]);
      if (id % 5 === 0) await scene.caughtUp();
    }
    await scene.caughtUp();
    expect(await scene.rows("SELECT count(*) FROM public.items")).toEqual(["19"]);
    await expect.poll(() => scene.sessions()).toHaveLength(1);
  });

  it("stops its process when the topic no longer has the place it stands at", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    for (let id = 0; id < 5; id++) scene.topic.commit(10 + id, [row("insert", id, "a")]);
    scene.topic.low = 2;
    await expect(scene.apply().done).rejects.toMatchObject({ code: "REHOUSE_TOPIC_TRIMMED" });
    await expect.poll(() => scene.sessions()).toEqual([]);
  });

  it("says so when the topic loses its place while it reads", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    scene.topic.commit(10, [row("insert", 1, "a")]);
    const running = scene.apply();
    await scene.caughtUp();
    scene.paused = true;
    scene.topic.beat();
    await scene.caughtUp();
    for (let id = 2; id < 9; id++) scene.topic.commit(10 + id, [row("insert", id, "a")]);
    scene.topic.low = 6;
    scene.paused = false;
    await expect(running.done).rejects.toMatchObject({ code: "REHOUSE_TOPIC_TRIMMED" });
    expect(await scene.rows("SELECT id FROM public.items")).toEqual(["1"]);
  });

  it("applies nothing while it is paused, and goes on afterwards", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    scene.paused = true;
    scene.topic.commit(10, [row("insert", 1, "a")]);
    let asked = 0;
    scene.apply({
      paused: () => {
        asked++;
        return scene.paused;
      },
    });
    await expect.poll(() => asked, { timeout: 5_000 }).toBeGreaterThan(3);
    expect(await scene.rows(ALL)).toEqual([]);
    scene.paused = false;
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 a i1 0"]);
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
