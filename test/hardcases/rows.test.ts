/** What transactions do to rows and their keys. Each story is told in mid-stream, and part of it again while tenants are being copied. */

import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type FileBody, Migration, type Pair, type RehouseProcess } from "../support/index.ts";

const TENANTS = [1, 2, 3];
const FILE: FileBody = {
  tenants: { column: "tenant", move: TENANTS },
  layout: { schema: "t_{tenant}", tenantColumn: "drop" },
  tables: { docs: {}, seats: {}, heads: {}, arms: {}, notes: {}, parents: {}, children: {} },
};

/** Tenant 9 stays where it is. */
const SOURCE = `
  CREATE TABLE docs (tenant int, id int, title text, body text, PRIMARY KEY (tenant, id));
  ALTER TABLE docs ALTER body SET STORAGE EXTERNAL;
  CREATE TABLE seats (tenant int, id int, place int, row int, PRIMARY KEY (tenant, id),
    UNIQUE (tenant, place), UNIQUE (tenant, row) DEFERRABLE INITIALLY DEFERRED);
  CREATE TABLE heads (tenant int, id int, arm int NOT NULL, PRIMARY KEY (tenant, id));
  CREATE TABLE arms (tenant int, id int, head int NOT NULL, PRIMARY KEY (tenant, id),
    FOREIGN KEY (tenant, head) REFERENCES heads DEFERRABLE INITIALLY DEFERRED);
  ALTER TABLE heads ADD FOREIGN KEY (tenant, arm) REFERENCES arms DEFERRABLE INITIALLY DEFERRED;
  CREATE TABLE notes (id int PRIMARY KEY, tenant int, body text);
  ALTER TABLE notes ALTER body SET STORAGE EXTERNAL;
  ALTER TABLE notes REPLICA IDENTITY FULL;
  CREATE TABLE parents (tenant int, id int, PRIMARY KEY (tenant, id));
  CREATE TABLE children (tenant int, id int, parent int, PRIMARY KEY (tenant, id), FOREIGN KEY (tenant, parent) REFERENCES parents);
  INSERT INTO docs SELECT t, n, 'doc ' || n, repeat(md5(n::text), 100) FROM unnest('{1,2,3,9}'::int[]) AS t, generate_series(1, 60) AS n;
  INSERT INTO seats SELECT tenant, id, id, id FROM docs;
  INSERT INTO notes SELECT id * 10 + tenant, tenant, body FROM docs;
  INSERT INTO parents SELECT tenant, id FROM docs;
  INSERT INTO children SELECT tenant, id, 1 + id % 7 FROM docs;`;

const PAIRS: readonly Pair[] = TENANTS.flatMap((t) =>
  [
    "id, title, body FROM {}docs",
    "id, place, row FROM {}seats",
    "id, arm FROM {}heads",
    "id, head FROM {}arms",
    "id, body FROM {}notes",
    "id FROM {}parents",
    "id, parent FROM {}children",
  ].map((rest) => ({
    source: `SELECT ${rest.replace("{}", "")} WHERE tenant = ${t}`,
    target: `SELECT ${rest.replace("{}", `t_${t}.`)}`,
  })),
);

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let migration: Migration;
let run: RehouseProcess;

/** The stories that end where they began may be told at any time, and more than once. */
const STORIES = {
  "a row's tenant changes: within what moves, out of it and into it, with a long value that is not in the stream": `
    UPDATE docs SET tenant = 2, id = id + 1000 WHERE tenant = 1 AND id BETWEEN 1 AND 3;
    UPDATE docs SET tenant = 9, id = id + 1000 WHERE tenant = 1 AND id BETWEEN 4 AND 6;
    UPDATE docs SET tenant = 1, id = id + 2000 WHERE tenant = 9 AND id BETWEEN 1 AND 3;
    UPDATE docs SET title = title || ' moved' WHERE id > 1000;
    UPDATE notes SET tenant = 9 WHERE id IN (11, 21); UPDATE notes SET tenant = 3 WHERE id IN (19, 29, 12)`,
  "a row loses its tenant, and another finds one": `
    UPDATE notes SET tenant = NULL WHERE id IN (31, 32); UPDATE notes SET tenant = NULL WHERE id = 39;
    UPDATE notes SET tenant = 3 WHERE id = 32`,
  "keys are swapped, and long values stay with their rows": `
    UPDATE docs SET id = -1 WHERE tenant = 3 AND id = 1; UPDATE docs SET id = 1 WHERE tenant = 3 AND id = 2;
    UPDATE docs SET id = 2 WHERE tenant = 3 AND id = -1;
    UPDATE docs SET id = id + 500 WHERE tenant = 3 AND id BETWEEN 10 AND 15; UPDATE docs SET id = 10 + (id + 1) % 6 WHERE tenant = 3 AND id BETWEEN 510 AND 515`,
  "unique values are swapped, one by one and under a constraint that is checked at the commit": `
    UPDATE seats SET place = NULL WHERE tenant = 1 AND id = 1; UPDATE seats SET place = 1 WHERE tenant = 1 AND id = 2;
    UPDATE seats SET place = 2 WHERE tenant = 1 AND id = 1;
    UPDATE seats SET row = 61 - row`,
  "rows that refer to each other come and go together": `
    INSERT INTO heads SELECT t, n, n FROM generate_series(1, 3) AS t, generate_series(1, 5) AS n;
    INSERT INTO arms SELECT tenant, id, arm FROM heads;
    UPDATE heads SET id = id + 10; UPDATE arms SET head = head + 10; UPDATE arms SET id = -id; UPDATE heads SET arm = -arm;
    DELETE FROM heads WHERE id = 11; DELETE FROM arms WHERE head = 11`,
  "the stream's own placeholder is data like any other": `
    UPDATE docs SET body = '__debezium_unavailable_value' WHERE id = 20; UPDATE docs SET title = '__debezium_unavailable_value' WHERE id = 21;
    UPDATE docs SET title = 'x' WHERE id IN (20, 21, 22); UPDATE notes SET body = '__debezium_unavailable_value' WHERE id = 41`,
  "what a savepoint takes back is not there": `
    SAVEPOINT a; DELETE FROM docs; SAVEPOINT b; INSERT INTO docs VALUES (1, 3000, 'never', ''); ROLLBACK TO a;
    SAVEPOINT c; UPDATE docs SET title = 'kept' WHERE id = 30; SAVEPOINT d; UPDATE docs SET title = 'not kept' WHERE id = 30; ROLLBACK TO d;
    RELEASE c; SAVEPOINT e; INSERT INTO docs VALUES (1, 3001, 'kept', repeat('z', 9000)); RELEASE e`,
  "one transaction over all tenants": `
    UPDATE docs SET title = title || '!'; UPDATE children SET parent = 1 WHERE parent = 2; DELETE FROM docs WHERE id = 40`,
  "TRUNCATE takes what refers to it along":
    "TRUNCATE parents CASCADE; INSERT INTO parents VALUES (1, 1), (2, 1); INSERT INTO children VALUES (1, 1, 1)",
};

beforeAll(async () => {
  migration = await Migration.prepare({ source: SOURCE, file: FILE });
  run = migration.run();
  const { source } = migration;
  // Under way while the tenants are copied: both the copy and the stream have a part of it.
  await migration.until(run, "the slot", async () => (await migration.units()).length > 0);
  await source.run(
    "BEGIN; UPDATE docs SET title = 'while copied' WHERE id > 50; UPDATE docs SET tenant = 2, id = id + 4000 WHERE tenant = 3 AND id > 55; COMMIT",
  );
  await source.run("BEGIN; UPDATE seats SET place = NULL WHERE id > 50; UPDATE seats SET place = 111 - id WHERE id > 50; COMMIT");
  await source.run(
    "BEGIN; UPDATE notes SET tenant = 1 WHERE id IN (592, 593, 599); UPDATE notes SET tenant = NULL WHERE id = 601; COMMIT",
  );
  await migration.inSync(run);
  await migration.drained(run);
});
afterAll(() => migration?.[Symbol.asyncDispose]());

test("what happens while tenants are copied is at the target once", () => migration.expectEqual(PAIRS));

test.each(Object.entries(STORIES))("%s", async (_story, sql) => {
  await migration.source.run(`BEGIN; ${sql}; COMMIT`);
  await migration.drained(run);
  await migration.expectEqual(PAIRS);
});

test("a prepared transaction arrives when it is committed, whatever ended meanwhile, and one that is rolled back does not", async () => {
  const { source, target, name } = migration;
  // One that is left open would hold up every slot that is made on this server.
  await using _left = { [Symbol.asyncDispose]: () => rollbackPrepared(migration) };
  const prepare = (of: string, sql: string) => source.run(`BEGIN; ${sql}; PREPARE TRANSACTION '${name}-${of}'`);
  await prepare(
    "kept",
    "UPDATE docs SET title = 'prepared' WHERE id = 25; INSERT INTO docs VALUES (2, 5000, 'prepared', repeat('p', 9000))",
  );
  await prepare("gone", "DELETE FROM docs WHERE id BETWEEN 41 AND 45");
  await source.run("UPDATE docs SET title = 'later' WHERE id = 26");
  await migration.drained(run);
  expect(await target.rows("SELECT title FROM t_2.docs WHERE id IN (26, 5000)")).toEqual([["later"]]);
  await run.stop();
  run = migration.run();
  await source.run("UPDATE docs SET title = 'after the restart' WHERE id = 27");
  await migration.drained(run);
  await source.run(`COMMIT PREPARED '${name}-kept'`);
  await source.run(`ROLLBACK PREPARED '${name}-gone'`);
  await migration.drained(run);
  await migration.expectEqual(PAIRS);
  expect(await target.value("SELECT title FROM t_2.docs WHERE id = 5000")).toBe("prepared");
});

async function rollbackPrepared({ source, name }: Migration): Promise<void> {
  const left = await source.rows("SELECT gid FROM pg_prepared_xacts WHERE gid LIKE $1 || '-%'", [name]);
  for (const [gid] of left) await source.run(`ROLLBACK PREPARED '${gid}'`);
}

test("and in the end verify finds nothing", async () => {
  const { code, out } = await migration.rehouse("verify", "--json");
  expect({ code, equal: JSON.parse(out).equal }).toEqual({ code: 0, equal: true });
});
