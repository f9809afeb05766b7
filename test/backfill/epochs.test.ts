import { expect, test } from "vitest";
import { column, type Move, mappingOf, startMove, wholeTable } from "../copying/index.ts";
import { waitUntil } from "../support/index.ts";

const ITEMS = [column("id", "bigint"), column("sku", "text"), column("note", "text")];
const SOURCE = `CREATE TABLE items (id bigint PRIMARY KEY, sku text UNIQUE, note text) WITH (fillfactor = 100);
  INSERT INTO items SELECT i, 'sku ' || i, repeat('x', 200) FROM generate_series(1, 3000) AS i; ANALYZE items`;
const TARGET = "CREATE TABLE public.items (id bigint, sku text, note text)";
const SMALL = { rowsPerChunk: 300 };

async function wholeMove(): Promise<Move> {
  const move = await startMove(mappingOf([wholeTable("items", ITEMS)]), SOURCE, TARGET);
  await move.wave(1, ["*"], "whole");
  return move;
}

/** Runs until `chunks` are done, then stops as if the process had gone: the snapshot goes with it. */
async function copySome(move: Move, chunks: number): Promise<void> {
  const doneChunks = async () => (await move.chunks()).filter((chunk) => chunk["state"] === "done").length;
  const running = move.start({ workers: 1, tuning: SMALL, paused: async () => (await doneChunks()) >= chunks });
  await waitUntil(async () => (await doneChunks()) >= chunks, { deadlineMs: 30_000, what: `${chunks} chunks`, everyMs: 10 });
  await running.stop();
}

const KEYS = "ALTER TABLE public.items ADD PRIMARY KEY (id); ALTER TABLE public.items ADD UNIQUE (sku)";

async function run(database: Move["target"], sql: string): Promise<void> {
  const session = await database.connect();
  await session.query(sql);
  await session.close();
}

test("after a crash the rest is copied under a later snapshot, into tables that have their keys by then", async () => {
  await using move = await wholeMove();
  await copySome(move, 3);
  // A row that was copied moves to the table's end, one that was not is deleted, one is new.
  await run(
    move.source,
    "UPDATE items SET note = note || 'moved' WHERE id = 1; DELETE FROM items WHERE id = 2900; INSERT INTO items VALUES (5000, 'new', 'n')",
  );
  let keys = 0;
  const ensureKeys = async () => {
    keys++;
    await run(move.target, KEYS);
  };
  await move.copy({ tuning: SMALL, ensureKeys });
  expect(keys).toBe(1);
  const [row] = await move.target.query(
    "SELECT sum(left_out) AS left_out, sum(rows) AS rows, count(DISTINCT epoch) AS epochs FROM rehouse.chunk",
  );
  expect(row).toEqual({ left_out: "1", rows: "3001", epochs: "2" });
  expect(await move.target.query("SELECT rows_copied, first_epoch FROM rehouse.tenant")).toEqual([
    { rows_copied: "3000", first_epoch: "1" },
  ]);
  // Row 1 is still the old one: its update is in the stream after the first epoch.
  expect(
    await move.target.query("SELECT count(*) AS rows, count(*) FILTER (WHERE note LIKE '%moved') AS moved FROM public.items"),
  ).toEqual([{ rows: "3000", moved: "0" }]);
});

test("a row of a later snapshot gives way to an older row that holds its unique value", async () => {
  await using move = await wholeMove();
  await copySome(move, 1);
  await run(move.source, "UPDATE items SET sku = 'free' WHERE id = 1; UPDATE items SET sku = 'sku 1' WHERE id = 2999");
  await move.copy({ tuning: SMALL, ensureKeys: async () => run(move.target, KEYS) });
  expect(await move.target.query("SELECT id FROM public.items WHERE sku = 'sku 1'")).toEqual([{ id: "1" }]);
  expect(await move.target.query("SELECT FROM public.items WHERE id = 2999")).toEqual([]);
});

test("a snapshot that has reached its age is replaced between chunks", async () => {
  await using move = await wholeMove();
  await move.copy({ workers: 1, tuning: { rowsPerChunk: 30, epochAgeMs: 100 }, ensureKeys: keysOnce(move) });
  const [row] = await move.target.query("SELECT count(*) > 1 AS several FROM rehouse.epoch");
  expect(row).toEqual({ several: "t" });
  expect(await move.target.query("SELECT count(*) AS rows FROM public.items")).toEqual([{ rows: "3000" }]);
});

function keysOnce(move: Move): () => Promise<void> {
  return () =>
    run(
      move.target,
      "DO $$ BEGIN ALTER TABLE public.items ADD PRIMARY KEY (id); EXCEPTION WHEN invalid_table_definition THEN NULL; END $$",
    );
}

test("a table that was rewritten meanwhile is read anew, and no row comes twice", async () => {
  await using move = await wholeMove();
  await copySome(move, 3);
  await run(move.source, "DELETE FROM items WHERE id BETWEEN 500 AND 1500");
  await run(move.source, "CLUSTER items USING items_sku_key");
  await move.copy({ tuning: SMALL, ensureKeys: async () => run(move.target, KEYS) });
  const [filenode] = await move.source.query("SELECT pg_relation_filenode('public.items') AS now");
  expect(new Set((await move.chunks()).map((chunk) => chunk["filenode"]))).toEqual(new Set([filenode?.["now"]]));
  const [missing] = await move.target.query(
    "SELECT count(DISTINCT id) AS ids, count(*) AS rows FROM public.items WHERE id NOT BETWEEN 500 AND 1500",
  );
  expect(missing).toEqual({ ids: "1999", rows: "1999" });
});

test("no table is rewritten while a snapshot is open", async () => {
  await using move = await wholeMove();
  const running = move.start({
    workers: 1,
    tuning: SMALL,
    paused: async () => (await move.chunks()).some((chunk) => chunk["state"] === "done"),
  });
  await waitUntil(async () => (await move.chunks()).some((chunk) => chunk["state"] === "done"), {
    deadlineMs: 30_000,
    what: "a chunk",
    everyMs: 10,
  });
  await expect(run(move.source, "SET lock_timeout = '200ms'; ALTER TABLE items ALTER COLUMN id TYPE int")).rejects.toMatchObject({
    sqlstate: "55P03",
  });
  await running.stop();
});

test("an epoch must see all that the slot saw; it waits, and says so when it has waited long enough", async () => {
  await using move = await wholeMove();
  await move.target.query("UPDATE rehouse.migration SET slot_snapshot = '5000000:5000000:'");
  await expect(move.copy({ tuning: { epochWaitMs: 300 } })).rejects.toMatchObject({ code: "REHOUSE_SERVER" });
  expect(await move.target.query("SELECT FROM rehouse.epoch")).toEqual([]);
});

test("nothing begins before the slot is made", async () => {
  await using move = await wholeMove();
  await move.target.query("UPDATE rehouse.migration SET slot_snapshot = NULL");
  const running = move.start();
  await waitUntil(
    async () =>
      (await move.target.query("SELECT FROM pg_stat_activity WHERE application_name = 'rehouse backfill write 2'")).length > 0,
    {
      deadlineMs: 10_000,
      what: "the workers",
    },
  );
  expect(await move.chunks()).toEqual([]);
  await move.target.query("UPDATE rehouse.migration SET slot_snapshot = '3:3:'");
  await waitUntil(async () => (await move.chunks()).some((chunk) => chunk["state"] === "done"), {
    deadlineMs: 10_000,
    what: "the copy",
  });
  await running.stop();
});

test("when everything is copied no snapshot of the source is kept", async () => {
  await using move = await wholeMove();
  const running = move.start({ tuning: SMALL });
  await waitUntil(
    async () => (await move.chunks()).length > 0 && (await move.chunks()).every((chunk) => chunk["state"] === "done"),
    {
      deadlineMs: 30_000,
      what: "the copy",
    },
  );
  const open =
    "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'rehouse backfill%' AND backend_xmin IS NOT NULL";
  await waitUntil(async () => (await move.source.query(open)).length === 0, {
    deadlineMs: 5000,
    what: "the snapshots to be released",
  });
  await running.stop();
});
