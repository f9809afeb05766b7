import { describe, expect, it } from "vitest";
import { ConnectionLost, type Database } from "../../src/ports.ts";
import { ALL, open, row } from "./support/items.ts";

describe("a lane whose work is broken off", () => {
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
});
