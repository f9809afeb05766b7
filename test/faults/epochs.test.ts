/** A copy that is broken off goes on under a later snapshot of a source that has moved on. */

import { expect, test } from "vitest";
import { Gate, gateSql, Migration } from "../support/index.ts";

const ROWS = 24_000;

/** Two rows to a block, so that there are several chunks, and an update that finds no room goes to another block. */
const SOURCE = `
  CREATE TABLE pages (account int, id bigint, place bigint, words text, PRIMARY KEY (account, id), UNIQUE (account, place));
  ALTER TABLE pages ALTER words SET STORAGE PLAIN;
  INSERT INTO pages SELECT 1 + n % 3, n, n, repeat(md5(n::text), 90) FROM generate_series(1, ${ROWS}) AS n;
  ANALYZE pages;`;

const TARGET = `
  CREATE SCHEMA t_1;
  CREATE TABLE t_1.pages (id bigint PRIMARY KEY, place bigint UNIQUE, words text);
  ${gateSql("t_1.pages", 1)}`;

const FILE = {
  tenants: { column: "account", move: "all" },
  layout: { schema: "t_{tenant}", tenantColumn: "drop" },
  tables: { pages: {} },
};

const PAIRS = [1, 2, 3].map((tenant) => ({
  source: `SELECT id, place, words FROM pages WHERE account = ${tenant}`,
  target: `SELECT id, place, words FROM t_${tenant}.pages`,
}));

/** Rows that change their block, keys that change, and unique values that pass from row to row, before and behind what was copied. */
const MEANWHILE = `
  UPDATE pages SET words = md5(words) || words WHERE id % 50 = 7;
  DELETE FROM pages WHERE id % 100 = 11;
  UPDATE pages SET id = id + 1000000 WHERE id % 100 = 13;
  UPDATE pages SET account = 1 + account % 3 WHERE id % 100 = 17;
  UPDATE pages SET place = -place WHERE id % 50 = 19;
  UPDATE pages SET place = ${ROWS} + place WHERE id % 40 = 3;
  UPDATE pages AS a SET place = b.place - ${ROWS} FROM pages AS b WHERE a.account = b.account AND a.id = ${ROWS} - b.id + 9 AND b.place > ${ROWS} AND a.place > 0 AND a.place <= ${ROWS};
  INSERT INTO pages SELECT 1 + n % 3, 2000000 + n, 2000000 + n, 'new' FROM generate_series(1, 1000) AS n;`;

test.for([
  { what: "rows moved between blocks", meanwhile: MEANWHILE },
  { what: "the table was rewritten", meanwhile: `${MEANWHILE} COMMIT; VACUUM FULL pages; BEGIN;` },
])("a copy that was killed goes on under a second epoch, after $what", { timeout: 180_000 }, async ({ meanwhile }) => {
  await using migration = await Migration.prepare({ source: SOURCE, target: TARGET, file: FILE });
  await using gate = await Gate.close(migration.target);
  const run = migration.run();
  await migration.until(run, "the copy to come to the gate", () => gate.isWaitedFor());
  await migration.until(
    run,
    "the first chunk",
    async () => Number(await migration.target.value("SELECT count(*) FROM rehouse.chunk WHERE state = 'done'")) > 0,
  );
  await run.killRole("backfill");
  await migration.source.session(async (session) => {
    for (const statement of ["BEGIN", ...meanwhile.split(";").filter((text) => text.trim() !== ""), "COMMIT"])
      await session.query(statement);
  });
  await gate.open();

  await migration.inSync(run);
  await migration.drained(run);
  await migration.expectEqual(PAIRS);
  const { target } = migration;
  expect(Number(await target.value("SELECT count(*) FROM rehouse.epoch"))).toBeGreaterThan(1);
  expect(await target.rows("SELECT id FROM copied GROUP BY id HAVING count(*) > 1")).toEqual([]);
  expect(await target.value("SELECT count(*) FROM copied")).toBe(
    await target.value("SELECT rows_copied FROM rehouse.tenant WHERE tenant = '1'"),
  );
});
