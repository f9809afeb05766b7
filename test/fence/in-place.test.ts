/** A table that stays where it is: whose writer somebody is shows in the columns that he sets. */

import { expect, test } from "vitest";
import type { FencedTable, FenceLock } from "../../src/fence/index.ts";
import { mirrorName } from "../../src/model/mirror.ts";
import { FenceScene, MIGRATION, type Writer } from "./scene.ts";

/** `status` becomes `state`. An old column has its default also in a row of the new kind. */
const TABLE = `
  CREATE TABLE orders (id int PRIMARY KEY, status text NOT NULL DEFAULT 'open', state text, note xml);
  INSERT INTO orders SELECT n, 'open', 'open' FROM generate_series(1, 9) AS n`;

const orders = (refused: string, passing: string): FencedTable => ({
  table: { schema: "public", table: "orders" },
  tenant: { constant: "*" },
  inPlace: { refused: [refused], passing: [passing] },
});
const AT_SOURCE = orders("status", "state");
const AT_TARGET = orders("state", "status");
const MIRROR = mirrorName(MIGRATION);

const OLD_KIND = [
  "INSERT INTO orders (id, status) VALUES (20, 'paid')",
  "INSERT INTO orders (id) VALUES (21)",
  "UPDATE orders SET status = 'paid' WHERE id = 1",
];
const NEW_KIND = ["INSERT INTO orders (id, state) VALUES (30, 'paid')", "UPDATE orders SET state = 'paid' WHERE id = 2"];
const OF_NEITHER = [
  "UPDATE orders SET note = '<a/>' WHERE id = 3",
  "UPDATE orders SET status = 'sent', state = 'sent' WHERE id = 4",
  "DELETE FROM orders WHERE id = 5",
];
/** In a transaction that is rolled back: each finds the rows of the beginning. */
async function outcomes(writer: Writer, statements: readonly string[]) {
  const found = [];
  for (const sql of statements) {
    await writer.run("BEGIN");
    found.push(await writer.try(sql));
    await writer.run("ROLLBACK");
  }
  return found;
}

const all = (statements: readonly string[], outcome: object) => statements.map(() => expect.objectContaining(outcome));

/** The tenant leaves the source, comes back, and so on: each time one fence closes, and the other one opens. */
async function switched(scene: FenceScene, to: "source" | "target") {
  const [from, other] = to === "target" ? [MIGRATION, MIRROR] : [MIRROR, MIGRATION];
  const leaving = await scene.lock("*", undefined, from);
  const arriving: FenceLock | undefined = await scene.lock("*", undefined, other).catch(() => undefined);
  await leaving.fence(to);
  if (arriving?.state === "moved") await arriving.reopen();
  await leaving.moved();
  await Promise.all([leaving.release(), arriving?.release()]);
}

test("of the two kinds of writers the one whose home it is passes, and who is of neither kind always does", async () => {
  await using scene = await FenceScene.prepare(TABLE);
  await scene.arm([AT_SOURCE], ["*"]);
  const writer = await scene.writer();
  expect(await outcomes(writer, [...OLD_KIND, ...NEW_KIND, ...OF_NEITHER])).toEqual(
    all([...OLD_KIND, ...NEW_KIND, ...OF_NEITHER], { rows: 1 }),
  );

  for (const round of ["first", "again"]) {
    await switched(scene, "target");
    expect(await outcomes(writer, OLD_KIND), round).toEqual(
      all(OLD_KIND, { sqlstate: "RH011", detail: expect.stringContaining('"home": "target"') }),
    );
    expect(await outcomes(writer, [...NEW_KIND, ...OF_NEITHER, "TRUNCATE orders"])).toMatchObject([
      ...all([...NEW_KIND, ...OF_NEITHER], { rows: 1 }),
      { rows: 0 },
    ]);
    await scene.arm([AT_TARGET], ["*"], MIRROR);
    await switched(scene, "source");
    expect(await outcomes(writer, NEW_KIND), round).toEqual(
      all(NEW_KIND, { sqlstate: "RH011", detail: expect.stringContaining('"home": "source"') }),
    );
    expect(await outcomes(writer, [...OLD_KIND, ...OF_NEITHER])).toEqual(all([...OLD_KIND, ...OF_NEITHER], { rows: 1 }));
  }
});

test("behind the fence what brings the rows in step meets no writer that waits: an INSERT does, an UPDATE is to try again", async () => {
  await using scene = await FenceScene.prepare(TABLE);
  await scene.arm([AT_SOURCE], ["*"]);
  await switched(scene, "target");
  await scene.arm([AT_TARGET], ["*"], MIRROR);
  await switched(scene, "source");

  const lock = await scene.lock("*");
  const [inserting, updating, applying] = [await scene.writer(), await scene.writer(), await scene.writer()];
  await updating.run("BEGIN; SELECT FROM orders WHERE id = 7");
  expect(await updating.try("UPDATE orders SET status = 'late' WHERE id = 7")).toMatchObject({ sqlstate: "RH010" });
  await updating.run("ROLLBACK");
  expect(await updating.try("TRUNCATE orders")).toMatchObject({ sqlstate: "RH010" });
  await applying.run("SET rehouse.writer = 'on'; SET lock_timeout = '2s'");
  expect(await applying.try("UPDATE orders SET state = status")).toMatchObject({ rows: 9 });

  const waiting = inserting.try("INSERT INTO orders (id, status) VALUES (40, 'new')");
  await scene.waits(inserting.pid);
  // Who waits at one fence has nothing of the other, which a switch asks for while it has the first.
  const other = await scene.lock("*", { lockTimeoutMs: 2_000, attempts: 1 }, MIRROR);
  await other.abandon();
  await lock.release();
  expect(await waiting).toEqual({ rows: 1 });
});

test("an old snapshot learns of a switch by a conflict, and does not write for the home that was left", async () => {
  await using scene = await FenceScene.prepare(TABLE);
  await scene.arm([AT_SOURCE], ["*"]);
  const writer = await scene.writer();
  await writer.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM orders");
  await switched(scene, "target");
  expect(await writer.try("UPDATE orders SET status = 'late' WHERE id = 1")).toMatchObject({ sqlstate: "40001" });
});
