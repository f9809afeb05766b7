import { existsSync, readFileSync } from "node:fs";
import type { Client } from "pg";
import { createDatabase } from "../../connectors/postgres/database.ts";
import { arm } from "../../src/fence/index.ts";
import { stateSql } from "../../src/package.ts";
import type { Bench } from "../bench.ts";
import { median, type Result, result, rounded } from "../report.ts";
import { Scene } from "../scene.ts";
import { ask, connect } from "../servers/postgres.ts";

/** Rows of a statement: long enough that its start is nothing to them. */
const ROWS = 200_000;
const CLIENTS = 4;
const ARMED_TENANT = 1;
const OTHER_TENANT = 1_000_000;
/** What a switch of one tenant, and one of many, have armed. */
const FEW = 5;
const MANY = 200;

const BARE = "bare";
const FENCED = "fenced";
const WITHOUT = "the same rows without a fence";

type Variant = { readonly variant: string; readonly armed: number; readonly sql: (table: string) => string };

const insertOf = (tenant: number) => (table: string) =>
  `INSERT INTO ${table} SELECT ${tenant}, n, 0, 'a note' FROM generate_series(1, ${ROWS}) AS n`;

const updateOf = (tenant: number) => (table: string) => `UPDATE ${table} SET amount = amount + 1 WHERE tenant_id = ${tenant}`;

const VARIANTS: readonly Variant[] = [
  { variant: "armed", armed: FEW, sql: insertOf(ARMED_TENANT) },
  { variant: "other", armed: FEW, sql: insertOf(OTHER_TENANT) },
  { variant: "armed, update", armed: FEW, sql: updateOf(ARMED_TENANT) },
  { variant: "other, update", armed: FEW, sql: updateOf(OTHER_TENANT) },
  { variant: `armed, of ${MANY}`, armed: MANY, sql: insertOf(ARMED_TENANT + MANY - 1) },
  { variant: `other, of ${MANY}`, armed: MANY, sql: insertOf(OTHER_TENANT) },
];

/** Of how many tenants the clients write, in turn. */
const RATES: readonly [variant: string, tenants: number][] = [
  ["rate", 100],
  ["rate, all armed", FEW],
];

/** What the triggers of an armed fence cost a row, and an application of small transactions. */
export async function benchFence(bench: Bench): Promise<Result[]> {
  await using scene = new Scene(bench);
  const results: Result[] = [];
  for (const variant of VARIANTS) results.push(await costOfRow(bench, await prepared(scene, variant.armed), variant));
  for (const [variant, tenants] of RATES) results.push(await rate(bench, await prepared(scene, FEW), variant, tenants));
  return results;
}

/** A database with a table that has the fence, and one like it that has not. */
async function prepared(scene: Scene, tenants: number): Promise<string> {
  const url = await scene.target("fence");
  for (const table of [BARE, FENCED])
    await ask(url, `CREATE TABLE ${table} (tenant_id bigint NOT NULL, id bigint NOT NULL, amount bigint, note text)`);
  const database = createDatabase({ url });
  try {
    await arm(
      { database, migration: "bench", stateSql: stateSql() },
      [{ table: { schema: "public", table: FENCED }, tenant: { column: "tenant_id", type: "bigint" } }],
      Array.from({ length: tenants }, (_, n) => String(ARMED_TENANT + n)),
    );
  } finally {
    await database.close();
  }
  return url;
}

async function costOfRow(bench: Bench, url: string, { variant, sql }: Variant): Promise<Result> {
  await using client = await connect(url);
  const clock = await backendClock(client);
  const usARow = async (table: string) => {
    await client.query(`TRUNCATE ${table}`);
    // An update finds its rows; an insert does not mind them.
    for (const tenant of [ARMED_TENANT, OTHER_TENANT]) await client.query(insertOf(tenant)(table));
    const began = clock();
    await client.query(sql(table));
    return ((clock() - began) * 1000) / ROWS;
  };
  await usARow(BARE);
  await usARow(FENCED);
  const us: { bare: number[]; cost: number[] } = { bare: [], cost: [] };
  // Short measurements, many of them: neighbours on the machine disturb one, not the median.
  for (let round = 0; round < 5 * bench.options.rounds; round += 1) {
    const bare = await usARow(BARE);
    us.bare.push(bare);
    us.cost.push((await usARow(FENCED)) - bare);
  }
  bench.say(`fence, ${variant}: ${median(us.cost).toFixed(2)} us beside ${median(us.bare).toFixed(2)} us a row`);
  return {
    bench: "fence",
    variant,
    value: rounded(median(us.cost)),
    unit: "us more a row",
    peer: WITHOUT,
    peerValue: rounded(median(us.bare)),
    ratio: null,
    cpuSeconds: null,
    rssMb: null,
  };
}

/** Milliseconds of the backend's own CPU time; of the wall's clock where its server cannot be seen. Triggers wait for nothing, so both are the same to them. */
async function backendClock(client: Client): Promise<() => number> {
  const { rows } = await client.query<{ pid: string }>("SELECT pg_backend_pid() AS pid");
  const file = `/proc/${rows[0]?.pid}/schedstat`;
  const isNear =
    rows[0] !== undefined && existsSync(file) && readFileSync(`/proc/${rows[0].pid}/cmdline`, "utf8").startsWith("postgres");
  return isNear ? () => Number(readFileSync(file, "utf8").split(" ")[0]) / 1e6 : () => performance.now();
}

/**
 * Transactions of an update, a select and an insert by clients that wait for each answer. A client makes one with and one without a fence in turn,
 * so that whatever else the machine does slows both alike.
 */
async function rate(bench: Bench, url: string, variant: string, tenants: number): Promise<Result> {
  for (const table of [BARE, FENCED]) {
    await ask(
      url,
      `INSERT INTO ${table} SELECT ${ARMED_TENANT} + n % ${tenants}, n, 0, 'a note' FROM generate_series(1, ${ROWS}) AS n`,
    );
    await ask(url, `CREATE INDEX ON ${table} (id)`);
    await ask(url, `VACUUM (ANALYZE) ${table}`);
  }
  const rounds: Rates[] = [];
  for (let round = 0; round < 3 * bench.options.rounds; round += 1)
    rounds.push(await ratesOf(url, tenants, bench.options.seconds / 3));
  const [bare, fenced] = [rounds.map((one) => one.bare), rounds.map((one) => one.fenced)];
  bench.say(`fence, ${variant}: ${median(fenced).toFixed(0)} beside ${median(bare).toFixed(0)} transactions a second`);
  return result(
    { bench: "fence", variant, unit: "tx/s", peer: "the same without a fence", direction: "more is better" },
    fenced,
    bare,
    [],
  );
}

type Rates = Record<typeof BARE | typeof FENCED, number>;

async function ratesOf(url: string, tenants: number, seconds: number): Promise<Rates> {
  const ms: Rates = { bare: 0, fenced: 0 };
  let count = 0;
  const until = performance.now() + seconds * 1000;
  await Promise.all(
    Array.from({ length: CLIENTS }, async (_, n) => {
      await using client = await connect(url);
      for (let turn = 0; performance.now() < until; turn += 1) {
        const id = 1 + (((n + turn * CLIENTS) * 7919) % ROWS);
        for (const table of turn % 2 === 0 ? ([BARE, FENCED] as const) : ([FENCED, BARE] as const)) {
          const began = performance.now();
          await transact(client, table, { id, tenant: ARMED_TENANT + (id % tenants) });
          ms[table] += performance.now() - began;
        }
        count += 1;
      }
    }),
  );
  return { bare: (CLIENTS * count * 1000) / ms.bare, fenced: (CLIENTS * count * 1000) / ms.fenced };
}

async function transact(client: Client, table: string, { id, tenant }: { id: number; tenant: number }): Promise<void> {
  await client.query("BEGIN");
  const prepared = (name: string, text: string, values: readonly number[]) =>
    client.query({ name: `${name} ${table}`, text, values: [...values] });
  await prepared("update", `UPDATE ${table} SET amount = amount + 1 WHERE id = $1`, [id]);
  await prepared("select", `SELECT amount FROM ${table} WHERE id = $1`, [id]);
  await prepared("insert", `INSERT INTO ${table} VALUES ($1, $2, 0, 'a note')`, [tenant, -id]);
  await client.query("COMMIT");
}
