/**
 * Writers of every isolation level against a fence that opens and closes at random. What was in force when something was committed is asked of the
 * WAL: a message in each transaction has its place at the commit, and the switch writes a mark when it has closed and before it opens.
 */

import { expect, test } from "vitest";
import { Random, waitUntil } from "../support/index.ts";
import { byTenantId, FenceScene, type Writer } from "./scene.ts";

const ROUNDS = 60;
const SWITCHED = 1;
const OTHERS = [2, 3];
const TENANTS = [SWITCHED, ...OTHERS];
const ROWS = 20;
const LEVELS = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] as const;
/** A writer tries again, elsewhere if it must. */
const EXPECTED = ["40001", "40P01", "RH010", "RH011"];

type Kind = { readonly level: string; readonly tenants: readonly number[]; readonly firstRow: number };
type Note = { readonly tenants: readonly number[]; readonly level: string; readonly moves: number };

test("nothing is committed between the lock and the end of a switch, and no snapshot outlives a move", {
  timeout: 180_000,
}, async () => {
  const seed = Date.now() % 1_000_000;
  const random = new Random(seed);
  await using scene = await FenceScene.prepare(`
    CREATE TABLE orders (tenant_id int, id int, version int, PRIMARY KEY (tenant_id, id));
    CREATE TABLE lines (tenant_id int, id int, version int) PARTITION BY HASH (id);
    CREATE TABLE lines_0 PARTITION OF lines FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE lines_1 PARTITION OF lines FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    CREATE TABLE moves (n int); INSERT INTO moves VALUES (0);
    CREATE PUBLICATION race;`);
  await scene.arm([byTenantId("orders"), byTenantId("lines")], ["1", "2"]);
  await scene.sql.run(`INSERT INTO orders SELECT t, n, 0 FROM generate_series(1, 3) AS t, generate_series(1, 2 * ${ROWS}) AS n`);
  const slot = `race_${new URL(scene.url).pathname.slice(1)}`;
  await scene.sql.value("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [slot]);

  const commits = new Map(TENANTS.map((tenant) => [tenant, 0]));
  const over = new AbortController();
  const refusals = new Set<string>();
  // Some write to no tenant that is switched, and to no row that others hold while they wait.
  const kinds = LEVELS.flatMap((level) => [
    { level, tenants: TENANTS, firstRow: 1 },
    { level, tenants: OTHERS, firstRow: 1 + ROWS },
  ]);
  const writers = kinds.map(async (kind, n) => {
    const writer = await scene.writer();
    const dice = new Random(seed + n + 1);
    while (!over.signal.aborted) {
      const outcome = await transaction(writer, dice, kind);
      if (typeof outcome === "string") refusals.add(outcome);
      else for (const tenant of outcome) commits.set(tenant, (commits.get(tenant) ?? 0) + 1);
    }
  });
  const switching = switchAtRandom(scene, random, commits).finally(() => over.abort());
  await Promise.all([switching, ...writers]);

  expect(
    [...refusals].filter((sqlstate) => !EXPECTED.includes(sqlstate)),
    `seed ${seed}`,
  ).toEqual([]);
  expect(refusals, `seed ${seed}`).toContain("RH011");
  const history = await readHistory(scene, slot);
  await scene.sql.value("SELECT pg_drop_replication_slot($1)", [slot]);
  judge(history, seed);
  // As many as committed, so that none was overlooked.
  for (const tenant of TENANTS)
    expect(history.filter((one) => typeof one !== "string" && one.tenants.includes(tenant)).length).toBe(commits.get(tenant));
});

function judge(history: readonly (Note | string)[], seed: number): void {
  let isOpen = true;
  let moves = 0;
  let othersMeanwhile = 0;
  for (const [place, one] of history.entries()) {
    if (typeof one === "string") {
      isOpen = one === "open";
      if (one === "moved") moves += 1;
      continue;
    }
    if (!isOpen && !one.tenants.includes(SWITCHED)) othersMeanwhile += 1;
    if (!one.tenants.includes(SWITCHED)) continue;
    expect(isOpen, `seed ${seed}, entry ${place}: a ${one.level} transaction was committed in a closed tenant`).toBe(true);
    if (one.level !== "READ COMMITTED")
      expect(one.moves, `seed ${seed}, entry ${place}: a ${one.level} transaction began before a move`).toBe(moves);
  }
  expect(moves, `seed ${seed}`).toBeGreaterThan(0);
  expect(othersMeanwhile, `seed ${seed}`).toBeGreaterThan(ROUNDS);
}

/** One transaction: the tenants that it wrote, or why it was refused. */
async function transaction(
  writer: Writer,
  dice: Random,
  { level, tenants, firstRow }: Kind,
): Promise<readonly number[] | string> {
  await writer.run(`BEGIN ISOLATION LEVEL ${level}`);
  const { rows } = await writer.client.query<{ n: number }>("SELECT n FROM moves");
  const written = new Set<number>();
  const statements = Array.from({ length: 1 + dice.int(4) }, () => {
    const [tenant, id] = [dice.of(tenants), firstRow + dice.int(ROWS)];
    written.add(tenant);
    return dice.of([
      `UPDATE orders SET version = version + 1 WHERE (tenant_id, id) = (${tenant}, ${id})`,
      `INSERT INTO orders VALUES (${tenant}, ${id}, 0) ON CONFLICT (tenant_id, id) DO UPDATE SET version = orders.version + 1`,
      `INSERT INTO lines VALUES (${tenant}, ${id}, 0)`,
      `SAVEPOINT a; INSERT INTO lines VALUES (${tenant}, ${id}, 1); ROLLBACK TO SAVEPOINT a; INSERT INTO lines VALUES (${tenant}, ${id}, 2)`,
    ]);
  });
  const note: Note = { tenants: [...written], level, moves: rows[0]?.n ?? -1 };
  for (const sql of [...statements, `SELECT pg_logical_emit_message(true, 'race', '${JSON.stringify(note)}')`, "COMMIT"]) {
    const outcome = await writer.try(sql);
    if ("rows" in outcome) continue;
    await writer.run("ROLLBACK");
    return outcome.sqlstate;
  }
  return note.tenants;
}

async function switchAtRandom(scene: FenceScene, random: Random, commits: ReadonlyMap<number, number>): Promise<void> {
  const progress = (tenants: readonly number[]) => tenants.reduce((sum, tenant) => sum + (commits.get(tenant) ?? 0), 0);
  const someCommits = async (tenants: readonly number[]) => {
    const before = progress(tenants);
    await waitUntil(() => progress(tenants) >= before + 5, { deadlineMs: 30_000, what: "writers to go on", everyMs: 5 });
  };
  const mark = (what: string) => scene.sql.value("SELECT pg_logical_emit_message(false, 'race', $1)", [what]);
  for (let round = 0; round < ROUNDS; round += 1) {
    await someCommits([SWITCHED]);
    const lock = await scene.lock(String(SWITCHED), { lockTimeoutMs: 2_000, attempts: 20 });
    await mark("closed");
    await someCommits(OTHERS);
    const end = random.of(["release", "kill", "take back", "find and take back", "move", "move"] as const);
    if (end !== "release" && end !== "kill") await lock.fence("target");
    switch (end) {
      case "release":
      case "take back":
        await mark("open");
        await lock.release();
        break;
      case "kill":
        await mark("open");
        await scene.sql.value("SELECT pg_terminate_backend($1)", [String(lock.session.pid)]);
        await lock.abandon();
        break;
      case "find and take back": {
        await lock.abandon();
        await someCommits(OTHERS);
        const found = await scene.lock(String(SWITCHED));
        await mark("open");
        await found.release();
        break;
      }
      case "move": {
        await lock.moved();
        await lock.release();
        await mark("moved");
        await someCommits(OTHERS);
        const back = await scene.lock(String(SWITCHED));
        await scene.sql.run("UPDATE moves SET n = n + 1");
        await back.reopen();
        await mark("open");
        await back.release();
        break;
      }
    }
  }
}

/** What was committed, and the marks, in the order of the WAL. */
async function readHistory(scene: FenceScene, slot: string): Promise<(Note | string)[]> {
  const rows = await scene.sql.rows(
    `SELECT encode(data, 'hex') FROM pg_logical_slot_get_binary_changes($1, NULL, NULL,
       'proto_version', '1', 'publication_names', 'race', 'messages', 'true')`,
    [slot],
  );
  return rows.flatMap(([hex]) => {
    const data = Buffer.from(hex ?? "", "hex");
    // Manual, "Logical Replication Message Formats": M, flags, LSN, prefix, length, content.
    if (data.toString("latin1", 0, 1) !== "M") return [];
    const content = data.subarray(data.indexOf(0, 10) + 5).toString();
    return [content.startsWith("{") ? (JSON.parse(content) as Note) : content];
  });
}
