/**
 * A small pooled database with what makes replication hard (keys that change, rows that change their tenant, unique values that are
 * swapped, long values that updates leave out of the stream, references to itself), and clients that do all of it at random.
 */

import type { FileBody, Pair } from "./migration.ts";
import { Random } from "./random.ts";
import type { Sql } from "./sql.ts";

export const TENANTS = ["1", "2", "3", "4", "5"] as const;

export function shopSql(itemsPerTenant: number): string {
  return `
    CREATE TABLE currencies (code text PRIMARY KEY, rate numeric NOT NULL);
    CREATE TABLE accounts (id int PRIMARY KEY, name text NOT NULL);
    CREATE TABLE items (
      account int NOT NULL REFERENCES accounts,
      id bigint NOT NULL,
      shelf int,
      label text NOT NULL,
      body text,
      weight numeric,
      parent bigint,
      PRIMARY KEY (account, id),
      UNIQUE (account, shelf),
      FOREIGN KEY (account, parent) REFERENCES items DEFERRABLE INITIALLY DEFERRED
    );
    ALTER TABLE items ALTER body SET STORAGE EXTERNAL;
    CREATE TABLE lines (
      account int NOT NULL,
      item bigint NOT NULL,
      no int NOT NULL,
      quantity numeric(12,3),
      currency text REFERENCES currencies,
      PRIMARY KEY (account, item, no),
      FOREIGN KEY (account, item) REFERENCES items ON DELETE CASCADE ON UPDATE CASCADE DEFERRABLE
    );
    CREATE TABLE notes (id bigint PRIMARY KEY, account int NOT NULL, body text);
    ALTER TABLE notes ALTER body SET STORAGE EXTERNAL;
    ALTER TABLE notes REPLICA IDENTITY FULL;
    CREATE TABLE events (id bigint PRIMARY KEY, account int NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp(), payload jsonb);
    CREATE UNIQUE INDEX events_identity ON events (account, id);
    ALTER TABLE events REPLICA IDENTITY USING INDEX events_identity;
    INSERT INTO currencies SELECT 'C' || n, n FROM generate_series(1, 5) AS n;
    INSERT INTO accounts SELECT n, 'account ' || n FROM generate_series(1, ${TENANTS.length}) AS n;
    INSERT INTO items SELECT a.id, n, n, 'item ' || n, CASE WHEN n % 3 = 0 THEN repeat(md5(n::text), 90) END, n / 7.0, NULLIF(n / 2, 0)
      FROM accounts AS a, generate_series(1, ${itemsPerTenant}) AS n;
    INSERT INTO lines SELECT account, id, no, id * no, 'C' || 1 + id % 5 FROM items, generate_series(1, 2) AS no;
    INSERT INTO notes SELECT id * 10 + account, account, repeat(md5(id::text), 80) FROM items WHERE id % 4 = 0;
    INSERT INTO events SELECT id * 10 + account, account, now(), jsonb_build_object('of', id) FROM items;
    ANALYZE;`;
}

export const SHOP_FILE: FileBody = {
  tenants: { column: "account", move: "all" },
  layout: { schema: "shop_{tenant}", tenantColumn: "drop" },
  tables: {
    currencies: { shared: true },
    accounts: { tenant: "id" },
    items: { columns: { title: "upper(label) || ' ' || coalesce(left(body, 12), '')", label: false, grams: "weight * 1000" } },
    lines: { to: "item_lines", columns: { amount: "quantity" } },
    notes: { columns: { text: "body" } },
    events: {},
  },
  // A label cannot be told from its title.
  rollback: "none",
};

export function shopPairs(tenants: readonly string[] = TENANTS): Pair[] {
  const pairs = tenants.flatMap((tenant) => [
    { source: `SELECT id, name FROM accounts WHERE id = ${tenant}`, target: `SELECT id, name FROM shop_${tenant}.accounts` },
    {
      source: `SELECT id, shelf, body, weight, parent, upper(label) || ' ' || coalesce(left(body, 12), ''), weight * 1000 FROM items WHERE account = ${tenant}`,
      target: `SELECT id, shelf, body, weight, parent, title, grams FROM shop_${tenant}.items`,
    },
    {
      source: `SELECT item, no, quantity, currency FROM lines WHERE account = ${tenant}`,
      target: `SELECT item, no, amount, currency FROM shop_${tenant}.item_lines`,
    },
    { source: `SELECT id, body FROM notes WHERE account = ${tenant}`, target: `SELECT id, text FROM shop_${tenant}.notes` },
    {
      source: `SELECT id, at, payload FROM events WHERE account = ${tenant}`,
      target: `SELECT id, at, payload FROM shop_${tenant}.events`,
    },
  ]);
  return [...pairs, { source: "SELECT code, rate FROM currencies", target: "SELECT code, rate FROM currencies" }];
}

type Act = (random: Random) => string;

const tenant = (random: Random) => random.of(TENANTS);
/** Few enough that clients meet each other's rows. */
const id = (random: Random) => 1 + random.int(120);
const body = (random: Random) => random.of(["NULL", `repeat(md5('${random.int(1e6)}'), 90)`, `'short ${random.int(1e6)}'`]);

const ACTS: readonly Act[] = [
  (r) => {
    const [t, i] = [tenant(r), id(r) + 200];
    return `INSERT INTO items (account, id, shelf, label, body, weight) VALUES (${t}, ${i}, ${i}, 'new ${r.int(1e6)}', ${body(r)}, ${r.int(1e6)} / 13.0) ON CONFLICT DO NOTHING;
      INSERT INTO lines SELECT ${t}, ${i}, 1, ${r.int(1e3)}, 'C1' WHERE EXISTS (SELECT FROM items WHERE account = ${t} AND id = ${i}) ON CONFLICT DO NOTHING`;
  },
  // What the update leaves alone is not in the stream when it is long.
  (r) =>
    `UPDATE items SET weight = ${r.int(1e6)}, label = 'label ${r.int(1e6)}' WHERE account = ${tenant(r)} AND id IN (${id(r)}, ${id(r)})`,
  (r) => `UPDATE items SET body = ${body(r)} WHERE account = ${tenant(r)} AND id = ${id(r)}`,
  (r) =>
    `DELETE FROM items AS i WHERE account = ${tenant(r)} AND id = ${id(r) + r.of([0, 200])} AND NOT EXISTS (SELECT FROM items AS c WHERE c.account = i.account AND c.parent = i.id)`,
  // A key that changes, and takes its lines along.
  (r) =>
    `UPDATE items AS i SET id = ${400 + r.int(50)} WHERE account = ${tenant(r)} AND id = ${id(r) + 200} AND NOT EXISTS (SELECT FROM items AS c WHERE c.account = i.account AND c.id BETWEEN 400 AND 450)`,
  // A row that changes its tenant.
  (r) => {
    const [to, i] = [tenant(r), id(r) + 200];
    return `UPDATE items AS i SET account = ${to}, parent = NULL WHERE account = ${tenant(r)} AND id = ${i} AND NOT EXISTS (SELECT FROM items AS c WHERE c.account = ${to} AND (c.id = i.id OR c.shelf = i.shelf)) AND NOT EXISTS (SELECT FROM items AS c WHERE c.account = i.account AND c.parent = i.id)`;
  },
  (r) => `UPDATE notes SET account = ${tenant(r)} WHERE id % 50 = ${r.int(50)}`,
  (r) => `UPDATE events SET account = ${tenant(r)}, payload = '{"moved": ${r.int(1e6)}}' WHERE id = ${id(r) * 10 + r.int(5)}`,
  // The same key again.
  (r) => {
    const n = id(r) * 10 + r.int(5);
    return `DELETE FROM notes WHERE id = ${n}; INSERT INTO notes VALUES (${n}, ${tenant(r)}, ${body(r)}) ON CONFLICT DO NOTHING`;
  },
  // Two rows swap a unique value.
  (r) => {
    const [t, a, b] = [tenant(r), id(r), id(r)];
    return `UPDATE items SET shelf = NULL WHERE account = ${t} AND id = ${a};
      UPDATE items SET shelf = ${a} WHERE account = ${t} AND id = ${b} AND NOT EXISTS (SELECT FROM items WHERE account = ${t} AND shelf = ${a});
      UPDATE items SET shelf = ${b} WHERE account = ${t} AND id = ${a} AND NOT EXISTS (SELECT FROM items WHERE account = ${t} AND shelf = ${b})`;
  },
  (r) => {
    const t = tenant(r);
    return `SAVEPOINT a; UPDATE items SET label = 'never' WHERE account = ${t}; ROLLBACK TO a;
      SAVEPOINT b; UPDATE items SET label = 'sub ${r.int(1e6)}' WHERE account = ${t} AND id = ${id(r)}; RELEASE b;
      SAVEPOINT c; DELETE FROM lines WHERE account = ${t} AND item = ${id(r)}; RELEASE c`;
  },
  // One statement over all tenants.
  (r) => `UPDATE items SET weight = weight + 1 WHERE id % 40 = ${r.int(40)}`,
  // A child before its parent.
  (r) => {
    const [t, i] = [tenant(r), 500 + r.int(200)];
    return `SET CONSTRAINTS ALL DEFERRED; INSERT INTO lines VALUES (${t}, ${i}, ${r.int(9)}, 1, 'C2') ON CONFLICT DO NOTHING;
      INSERT INTO items (account, id, label, parent) VALUES (${t}, ${i}, 'late parent', ${i}) ON CONFLICT DO NOTHING`;
  },
  (r) => `UPDATE items SET parent = ${id(r)} WHERE account = ${tenant(r)} AND id = ${id(r)}`,
  (r) => `UPDATE currencies SET rate = ${r.int(1e6)} / 7.0 WHERE code = 'C${1 + r.int(5)}'`,
  (r) => `UPDATE accounts SET name = 'name ${r.int(1e6)}' WHERE id = ${tenant(r)}`,
];

/** Clients that never pause would measure the machine: on a busy one they leave nothing for those who follow them. */
const THINK_MS = 15;
const RECONNECT_MS = 100;

export class Clients {
  readonly #sql: Sql;
  readonly #work: Promise<void>[];
  #stopped = false;
  #committed = 0;
  #failure: unknown;

  /** Each of `count` clients does transactions of its own seed until {@link stop}. */
  constructor(sql: Sql, { seed, count, truncates = true }: { seed: number; count: number; truncates?: boolean }) {
    this.#sql = sql;
    this.#work = Array.from({ length: count }, (_, index) =>
      this.#client(new Random(seed * 1_000 + index), truncates && index === 0),
    );
  }

  get committed(): number {
    if (this.#failure !== undefined) throw this.#failure;
    return this.#committed;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#work);
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #client(random: Random, truncates: boolean): Promise<void> {
    while (!this.#stopped) {
      const acts = Array.from({ length: 1 + random.int(5) }, () => random.of(ACTS)(random));
      if (truncates && random.int(150) === 0) acts.push(`TRUNCATE ${random.of(["notes", "lines", "events, notes"])}`);
      const end = random.int(10) === 0 ? "ROLLBACK" : "COMMIT";
      await this.#transaction([...acts, end]);
      await pause(THINK_MS);
    }
  }

  /** What Postgres refuses is part of the traffic, but for statements that are wrong; a connection that breaks is made again. */
  async #transaction(statements: readonly string[]): Promise<void> {
    try {
      await this.#sql.session(async (session) => {
        for (const statement of ["BEGIN", ...statements]) await session.query(statement);
      });
      this.#committed++;
    } catch (error) {
      const state: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
      const sqlstate = typeof state === "string" && /^[0-9A-Z]{5}$/.test(state) ? state : undefined;
      if (sqlstate === undefined || /^(08|57)/.test(sqlstate)) await pause(RECONNECT_MS);
      else if (/^(22|42)/.test(sqlstate)) {
        this.#failure ??= error;
        this.#stopped = true;
      }
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resume) => setTimeout(resume, ms));
}
