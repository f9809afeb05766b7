/** docs/renaming-a-column.md, from the first step to the last, with both versions of the application at work. */

import { Pool, type PoolClient } from "pg";
import { expect, test } from "vitest";
import type { ContractDocument, SwitchDocument, VerifyDocument } from "../../src/cli/documents.ts";
import { Router } from "../../src/router/index.ts";
import { ByHand } from "../mirror/by-hand.ts";
import { Migration, waitUntil } from "../support/index.ts";

const ORDERS = 400;
const CLIENTS = [0, 1];

/** Beside the orders a row that everybody writes: what is lost of it is missing from its count. */
const SOURCE = `
  CREATE TABLE orders (id bigint PRIMARY KEY, status text DEFAULT 'open', note text);
  CREATE TABLE counters (name text PRIMARY KEY, hits bigint NOT NULL DEFAULT 0);
  INSERT INTO orders SELECT n, 'open', repeat('x', 50) FROM generate_series(1, ${ORDERS}) AS n;
  INSERT INTO counters VALUES ('writes');
  CREATE INDEX orders_status ON orders (status, id);`;

const FILE = {
  tables: {
    orders: { columns: { state: "status", status: false }, reverse: { status: "state" } },
    counters: { columns: { tenths: "hits * 10", hits: false }, reverse: { hits: "tenths / 10" } },
  },
};

type Side = "source" | "target";
const OLD = {
  update: "UPDATE orders SET status = $2 WHERE id = $1",
  insert: "INSERT INTO orders (id, status) VALUES ($1, $2)",
  count: "UPDATE counters SET hits = hits + 1",
};
const TEXTS: Record<Side, typeof OLD> = {
  source: OLD,
  target: {
    update: "UPDATE orders SET state = $2 WHERE id = $1",
    insert: "INSERT INTO orders (id, state) VALUES ($1, $2)",
    count: "UPDATE counters SET tenths = tenths + 10",
  },
};

type Client = Pick<PoolClient, "query">;
/** Runs a transaction; false: it cannot write any more. */
type Version = (body: (client: Client, side: Side) => Promise<void>) => Promise<boolean>;

/** Knows the old columns only, tries again what is to be tried again, and stops where it is refused for good. */
const version1 =
  (pool: Pool): Version =>
  async (body) => {
    for (;;) {
      const client = await pool.connect();
      try {
        await client.query("BEGIN");
        await body(client, "source");
        await client.query("COMMIT");
        return true;
      } catch (error) {
        await client.query("ROLLBACK");
        const code: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
        if (code === "RH011") return false;
        if (code !== "RH010" && code !== "40001" && code !== "40P01") throw error;
      } finally {
        client.release();
      }
    }
  };

const version2 =
  (router: Router<PoolClient>): Version =>
  async (body) => {
    await router.transaction("*", (client, home) => body(client, home.side));
    return true;
  };

/** What was acknowledged: each client has rows of its own, so the last value of each is known. */
class Application {
  readonly values = new Map<number, string>();
  writes = 0;
  counted = 0;
  isStopped = false;
  readonly work: Promise<void>;

  constructor(name: string, version: Version, own: (id: number) => boolean, newIds: number) {
    this.work = this.#write(name, version, own, newIds);
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await this.work;
  }

  async #write(name: string, version: Version, own: (id: number) => boolean, newIds: number): Promise<void> {
    const ids = Array.from({ length: ORDERS }, (_, index) => index + 1).filter(own);
    for (let n = 0; !this.isStopped; n++) {
      const isNew = n % 4 === 0;
      const id = isNew ? newIds + n : (ids[n % ids.length] ?? 0);
      const value = `${name} ${n}`;
      const written = await version(async (client, side) => {
        if (!isNew && n % 3 === 0) await client.query("SELECT FROM orders WHERE id = $1 FOR UPDATE", [id]);
        await client.query(TEXTS[side][isNew ? "insert" : "update"], [id, value]);
        if (n % 3 === 0) await client.query(TEXTS[side].count);
      });
      if (!written) return;
      this.values.set(id, value);
      this.writes++;
      if (n % 3 === 0) this.counted++;
      await new Promise((resume) => setTimeout(resume, 10 + (n % 7) * 4));
    }
  }
}

test("a column of a busy table is renamed while both versions of the application write: nothing is lost, there and back", {
  timeout: 240_000,
}, async () => {
  await using migration = await Migration.prepare({ source: SOURCE, file: FILE, inOneDatabase: true });
  const { source: sql } = migration;
  const all: Application[] = [];
  const pool = new Pool({ connectionString: sql.url, max: 16 });
  await using router = new Router<PoolClient>({ migration: migration.name, homes: { source: pool, target: pool } });
  try {
    const checked = await migration.rehouse("check", "--json");
    expect(checked.code, checked.out).toBe(0);
    const first = CLIENTS.map((at) => application(`v1-${at}`, version1(pool), at));
    const run = migration.run();
    await migration.inSync(run);
    const second = CLIENTS.map((at) => application(`v2-${at}`, version2(router), CLIENTS.length + at));
    await wrote([...first, ...second], 10);

    expect(await switched("cutover")).toMatchObject({ outcome: "switched", home: "target", lateWrites: 0 });
    await Promise.all(first.map(({ work }) => work));
    await wrote(second, 10);
    await expectNothingLost("state", "tenths / 10", [...first, ...second]);
    // The counter may change at every look, so that nothing can be said about it yet.
    const verified = await migration.rehouse("verify", "--json");
    const document: VerifyDocument = JSON.parse(verified.out);
    expect(
      document.tenants.flatMap(({ tables }) => tables.map(({ differences, omitted }) => ({ differences, omitted }))),
    ).toEqual(Object.keys(FILE.tables).map(() => ({ differences: [], omitted: 0 })));

    expect(await switched("rollback")).toMatchObject({ outcome: "switched", home: "source" });
    await wrote(second, 10);
    await expect(sql.run("UPDATE orders SET state = 'lost' WHERE id = 1")).rejects.toMatchObject({ code: "RH011" });
    await expectNothingLost("status", "hits", [...first, ...second]);
    await migration.inSync(run);
    expect(await switched("cutover")).toMatchObject({ outcome: "switched", home: "target" });
    await wrote(second, 10);
    const home = () => sql.value("SELECT phase FROM rehouse.tenant WHERE migration LIKE '%.reverse'");
    await migration.until(run, "the way home to be in step", async () => (await home()) === "in-sync");

    await Promise.all(second.map((one) => one.stop()));
    // The application's own writes are in both streams, since it is one table. What brought the old column in step is in neither.
    await using byHand = await ByHand.of(migration);
    const writes = "UPDATE orders SET state = state || ' 1' WHERE id <= 10";
    expect(await byHand.publishedOf(run, () => sql.run(writes))).toEqual({ there: 10, home: 10 });
    const third = CLIENTS.map((at) => application(`v2-again-${at}`, version2(router), 2 * CLIENTS.length + at));

    expect((await contract(1)).obstacles).toMatchObject([
      { gate: "old-column", value: expect.stringContaining("orders_status") },
    ]);
    await sql.run("CREATE INDEX CONCURRENTLY orders_state ON orders (state, id)");
    await sql.run("DROP INDEX CONCURRENTLY orders_status");
    const { receipt } = await contract(0);
    expect(receipt).toMatchObject({ removed: [], lateWrites: 0 });
    expect(receipt?.dropped).toEqual([
      { table: "public.orders", columns: ["status"] },
      { table: "public.counters", columns: ["hits"] },
    ]);
    await wrote(third, 10);
    await Promise.all(third.map((one) => one.stop()));
    await expectNothingLost("state", "tenths / 10", all);
    const acknowledged = all.reduce((sum, { counted }) => sum + counted, 0);
    expect(await sql.value("SELECT tenths / 10 FROM counters")).toBe(String(acknowledged));

    await run.stop();
    for (const verb of [["verify"], ["run"], ["contract", "--tenant", "*", "--now", "--yes"]])
      expect({ verb, ...(await migration.rehouse(...verb, "--json")) }).toMatchObject({
        code: 1,
        out: expect.stringContaining("REHOUSE_FINISHED"),
      });
    expect(await migration.rehouse("cancel", "--yes")).toMatchObject({ code: 0 });
    const columns =
      "SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attnum > 0 AND NOT attisdropped";
    expect(await sql.value(columns)).toBe("id note state");
    expect(await sql.value("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal")).toBe("0");
    expect(await sql.value("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()")).toBe("0");
  } finally {
    await Promise.allSettled(all.map((one) => one.stop()));
    await router.close();
    await pool.end();
  }

  function application(name: string, version: Version, at: number): Application {
    const versions = 3 * CLIENTS.length;
    const one = new Application(name, version, (id) => id % versions === at, 1_000_000 * (at + 1));
    all.push(one);
    return one;
  }

  async function wrote(of: readonly Application[], more: number): Promise<void> {
    const before = of.map(({ writes }) => writes);
    const failed = Promise.race(of.map(({ work }) => work)).then(() => undefined);
    const enough = waitUntil(() => of.every(({ writes }, at) => writes >= (before[at] ?? 0) + more), {
      deadlineMs: 60_000,
      what: `${more} more writes of every client`,
    });
    await Promise.race([enough, failed.then(() => enough)]);
  }

  /** At rest: what is under way may be there already, and not acknowledged yet. */
  async function expectNothingLost(column: string, counter: string, of: readonly Application[]): Promise<void> {
    await waitUntil(
      async () => {
        const acknowledged = of.reduce((sum, { counted }) => sum + counted, 0);
        expect(Number(await sql.value(`SELECT ${counter} FROM counters`))).toBeGreaterThanOrEqual(acknowledged);
        const found = new Map((await sql.rows(`SELECT id, ${column} FROM orders`)).map(([id, value]) => [Number(id), value]));
        return of.every(({ values }) => [...values].every(([id, value]) => isAtOrAfter(found.get(id), value)));
      },
      { deadlineMs: 10_000, what: "every acknowledged write to be there" },
    );
  }

  async function switched(verb: "cutover" | "rollback") {
    const { code, out, err } = await migration.rehouse(verb, "--tenant", "*", "--json");
    expect(code, `${out}\n${err}`).toBe(0);
    const document: SwitchDocument = JSON.parse(out);
    return document.tenants[0];
  }

  async function contract(exit: number) {
    const { code, out, err } = await migration.rehouse("contract", "--tenant", "*", "--now", "--yes", "--json");
    expect(code, `${out}\n${err}`).toBe(exit);
    const document: ContractDocument = JSON.parse(out);
    const [unit] = document.tenants;
    if (unit === undefined) throw new Error(out);
    return unit;
  }
});

/** `v2-0 17` is after `v2-0 16`. */
function isAtOrAfter(found: string | null | undefined, acknowledged: string): boolean {
  const number = (text: string) => Number(text.split(" ")[1]);
  return found != null && found.split(" ")[0] === acknowledged.split(" ")[0] && number(found) >= number(acknowledged);
}
