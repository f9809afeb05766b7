import { expect, test } from "vitest";
import { column, type Move, mappingOf, startMove, tenantTable, wholeTable } from "../copying/index.ts";
import { waitUntil } from "../support/index.ts";

const ITEMS = [column("id", "bigint"), column("tenant_id", "integer"), column("note", "text")];
const SOURCE = `CREATE TABLE items (id bigint PRIMARY KEY, tenant_id int, note text);
  INSERT INTO items SELECT i, i % 3, 'item ' || i FROM generate_series(1, 3000) AS i`;

async function failing(move: Move): Promise<unknown> {
  return move.copy({ workers: 1 }).then(
    () => undefined,
    (error: unknown) => error,
  );
}

async function countAtTarget(move: Move, table: string): Promise<string | null | undefined> {
  return (await move.target.query(`SELECT count(*) AS rows FROM ${table}`))[0]?.["rows"];
}

test("a row in the way stops the copy with its table, key and place, and nothing of the chunk is written", async () => {
  await using move = await startMove(
    mappingOf([wholeTable("items", ITEMS)]),
    SOURCE,
    "CREATE TABLE public.items (id bigint PRIMARY KEY, tenant_id int, note text); INSERT INTO public.items VALUES (2500, 0, 'mine')",
  );
  await move.wave(1, ["*"], "whole");
  const error = await failing(move);
  expect(error).toMatchObject({
    code: "REHOUSE_ROW_IN_THE_WAY",
    where: expect.stringContaining("public.items in "),
    fix: expect.any(String),
  });
  expect(String(error)).toContain("Key (id)=(2500) already exists");
  expect(await countAtTarget(move, "public.items")).toBe("1");
});

test("a row in the way of one tenant's table is found as well when rows of many are told apart", async () => {
  await using move = await startMove(
    mappingOf([tenantTable("items", ITEMS)], "t_{tenant}"),
    SOURCE,
    `CREATE SCHEMA t_0; CREATE TABLE t_0.items (id bigint PRIMARY KEY, tenant_id int, note text);
     CREATE SCHEMA t_1; CREATE TABLE t_1.items (id bigint PRIMARY KEY, tenant_id int, note text);
     INSERT INTO t_1.items VALUES (4, 0, 'mine')`,
  );
  await move.wave(1, ["0", "1"]);
  expect(await failing(move)).toMatchObject({ code: "REHOUSE_ROW_IN_THE_WAY", where: expect.stringContaining("t_1.items") });
  expect(await countAtTarget(move, "t_0.items")).toBe("0");
});

test("a refusal in the middle of the stream ends the copy, not the process", async () => {
  await using move = await startMove(
    mappingOf([tenantTable("items", ITEMS)], "t_{tenant}"),
    `CREATE TABLE items (id bigint PRIMARY KEY, tenant_id int, note text);
     INSERT INTO items SELECT i, i % 2, repeat('x', 400) FROM generate_series(1, 100000) AS i`,
    `CREATE SCHEMA t_0; CREATE TABLE t_0.items (id bigint PRIMARY KEY, tenant_id int, note text);
     CREATE SCHEMA t_1; CREATE TABLE t_1.items (id bigint PRIMARY KEY, tenant_id int, note text);
     INSERT INTO t_1.items VALUES (1, 1, 'mine')`,
  );
  await move.wave(1, ["0", "1"]);
  const whole = { rowsPerChunk: 1e9, bytesPerChunk: 1e12 };
  await expect(move.copy({ workers: 1, tuning: whole })).rejects.toMatchObject({ code: "REHOUSE_ROW_IN_THE_WAY" });
});

test("a target that changes what is written is found by the comparison, whatever it changes", async () => {
  const changes = {
    "a value": "NEW.note := NEW.note || ' '; RETURN NEW",
    "a value to NULL": "IF NEW.id = 17 THEN NEW.note := NULL; END IF; RETURN NEW",
    "a row away": "IF NEW.id = 17 THEN RETURN NULL; END IF; RETURN NEW",
  };
  for (const [what, body] of Object.entries(changes)) {
    for (const template of [undefined, "t_{tenant}"]) {
      const table = template === undefined ? "public.items" : "t_2.items";
      await using move = await startMove(
        mappingOf([tenantTable("items", ITEMS)], template),
        SOURCE,
        `CREATE SCHEMA t_2; CREATE SCHEMA t_1; CREATE TABLE t_1.items (id bigint, tenant_id int, note text);
         CREATE TABLE ${table} (id bigint, tenant_id int, note text);
         CREATE FUNCTION public.spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body}; END $$;
         CREATE TRIGGER spoil BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION public.spoil();
         ALTER TABLE ${table} ENABLE ALWAYS TRIGGER spoil`,
      );
      await move.wave(1, ["1", "2"]);
      expect(await failing(move), what).toMatchObject({ code: "REHOUSE_CHUNK_DIFFERS" });
      expect(await countAtTarget(move, table), what).toBe("0");
      expect((await move.chunks()).every((chunk) => chunk["state"] === "pending")).toBe(true);
    }
  }
});

test("the target's ordinary triggers do not fire", async () => {
  await using move = await startMove(
    mappingOf([wholeTable("items", ITEMS)]),
    SOURCE,
    `CREATE TABLE public.items (id bigint, tenant_id int, note text);
     CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'fired'; END $$;
     CREATE TRIGGER refuse BEFORE INSERT ON public.items FOR EACH ROW EXECUTE FUNCTION public.refuse()`,
  );
  await move.wave(1, ["*"], "whole");
  await move.copy();
  expect(await countAtTarget(move, "public.items")).toBe("3000");
});

test("a text that is too long for its column is refused, not cut off", async () => {
  const columns = [column("id", "bigint"), column("note", "text", { targetType: "character varying(5)" })];
  await using move = await startMove(
    mappingOf([wholeTable("items", columns)]),
    "CREATE TABLE items (id bigint PRIMARY KEY, note text); INSERT INTO items VALUES (1, 'longer than five')",
    "CREATE TABLE public.items (id bigint, note varchar(5))",
  );
  await move.wave(1, ["*"], "whole");
  expect(await failing(move)).toMatchObject({ code: "REHOUSE_TARGET_MISFIT" });
});

test("free space below the old end of a table is found by the comparison", async () => {
  await using move = await startMove(
    mappingOf([wholeTable("items", ITEMS)]),
    SOURCE,
    `CREATE TABLE public.items (id bigint, tenant_id int, note text);
     INSERT INTO public.items SELECT -i, 0, repeat('x', 500) FROM generate_series(1, 20000) AS i;
     DELETE FROM public.items WHERE id > -400`,
  );
  // Room at the very beginning of a table of 1,300 blocks.
  const session = await move.target.connect();
  await session.query("VACUUM public.items");
  await session.close();
  await move.wave(1, ["*"], "whole");
  await move.copy();
  const [row] = await move.target.query("SELECT count(*) > 0 AS reused FROM public.items WHERE id > 0 AND ctid < '(40,0)'");
  expect(row).toEqual({ reused: "t" });
});

test("stopping inside a chunk rolls it back and leaves no session behind", async () => {
  await using move = await startMove(
    mappingOf([
      wholeTable("items", [column("id", "bigint"), column("note", "text", { expression: "note || pg_sleep(0.002)::text" })]),
    ]),
    SOURCE,
    "CREATE TABLE public.items (id bigint, note text)",
  );
  await move.wave(1, ["*"], "whole");
  const running = move.start();
  const sessions =
    "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'rehouse backfill%'";
  await waitUntil(async () => (await move.source.query(`${sessions} AND state = 'active' AND query LIKE 'COPY%'`)).length > 0, {
    deadlineMs: 10_000,
    what: "the copy to be under way",
  });
  const began = performance.now();
  await running.stop();
  expect(performance.now() - began).toBeLessThan(15_000);
  for (const side of [move.source, move.target]) {
    await waitUntil(async () => (await side.query(sessions)).length === 0, { deadlineMs: 5000, what: "the sessions to go" });
  }
  expect(await countAtTarget(move, "public.items")).toBe("0");
});

test("a lost connection is an error to retry, and the next run goes on from the ledger", async () => {
  await using move = await startMove(
    mappingOf([wholeTable("items", ITEMS)]),
    SOURCE,
    "CREATE TABLE public.items (id bigint, tenant_id int, note text)",
  );
  await move.wave(1, ["*"], "whole");
  const done = async () => (await move.chunks()).filter((chunk) => chunk["state"] === "done").length;
  const running = move.start({ workers: 1, tuning: { rowsPerChunk: 500 }, paused: async () => (await done()) >= 2 });
  await waitUntil(async () => (await done()) >= 2, { deadlineMs: 10_000, what: "two chunks", everyMs: 10 });
  await move.target.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'rehouse backfill write%'",
  );
  const resumed = move.start({ workers: 1, tuning: { rowsPerChunk: 500 } });
  await waitUntil(async () => (await move.chunks()).every((chunk) => chunk["state"] === "done"), {
    deadlineMs: 20_000,
    what: "the rest",
  });
  await resumed.stop();
  expect(await countAtTarget(move, "public.items")).toBe("3000");
  await running.stop().catch(() => undefined);
});
