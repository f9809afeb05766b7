/**
 * Proof at the target that nothing was applied twice. What Rehouse writes is idempotent, so that a row alone does not tell: triggers write down every write, in
 * the transaction that does it, and each of these has to hold:
 *
 * - a row that the source inserted once, and never touched again, was written at most once by apply, and at most once by the copy;
 * - a row that counts up at the source was written with ever larger numbers by apply: no change came twice, none out of its order;
 * - a lane's moves join end to end, so that each offset of the topic was committed by one of them, and its position never went back.
 */

import { expect } from "vitest";
import { stateSql } from "../../../src/package.ts";
import {
  type FileBody,
  type Migration,
  type Pair,
  Random,
  SHOP_FILE,
  type Sql,
  shopPairs,
  shopSql,
  TENANTS,
} from "../../support/index.ts";

const STATE_SQL = stateSql();
const COUNTERS = 30;

export function auditedSource(itemsPerTenant: number): string {
  return `${shopSql(itemsPerTenant)}
    CREATE TABLE ticks (account int NOT NULL, id bigint NOT NULL, n bigint NOT NULL, PRIMARY KEY (account, id));
    CREATE TABLE counters (account int NOT NULL, id bigint NOT NULL, n bigint NOT NULL, PRIMARY KEY (account, id));
    CREATE SEQUENCE tick;
    INSERT INTO ticks SELECT account, nextval('tick'), 0 FROM unnest('{${TENANTS.join()}}'::int[]) AS account, generate_series(1, 200);
    INSERT INTO counters SELECT account, id, 0 FROM unnest('{${TENANTS.join()}}'::int[]) AS account, generate_series(1, ${COUNTERS}) AS id;
    ANALYZE ticks, counters;`;
}

export const AUDITED_FILE: FileBody = { ...SHOP_FILE, tables: { ...SHOP_FILE.tables, ticks: {}, counters: {} } };

export function auditedPairs(): Pair[] {
  return [
    ...shopPairs(),
    ...TENANTS.flatMap((tenant) =>
      ["ticks", "counters"].map((table) => ({
        source: `SELECT id, n FROM ${table} WHERE account = ${tenant}`,
        target: `SELECT id, n FROM shop_${tenant}.${table}`,
      })),
    ),
  ];
}

/** For a target on which the migration has not begun; the tenants' schemas are made here. */
export function auditSql(): string {
  return `${STATE_SQL}
    CREATE SCHEMA audit;
    CREATE TABLE audit.write (entry bigint GENERATED ALWAYS AS IDENTITY, writer text, tenant text, relation text, op text, id bigint, n bigint);
    CREATE TABLE audit.move (entry bigint GENERATED ALWAYS AS IDENTITY, partition int, lane text, from_offset bigint, to_offset bigint,
                             from_lsn pg_lsn, to_lsn pg_lsn, from_ordinal bigint, to_ordinal bigint);
    CREATE FUNCTION audit.note_write() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO audit.write (writer, tenant, relation, op, id, n)
      VALUES (CASE WHEN current_setting('application_name') LIKE '%backfill%' THEN 'copy' ELSE 'apply' END,
              TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP, NEW.id, NEW.n);
      RETURN NULL;
    END $$;
    CREATE FUNCTION audit.note_move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO audit.move (partition, lane, from_offset, to_offset, from_lsn, to_lsn, from_ordinal, to_ordinal)
      VALUES (NEW.partition, NEW.lane, OLD.next_offset, NEW.next_offset, OLD.lsn, NEW.lsn, OLD.ordinal, NEW.ordinal);
      RETURN NULL;
    END $$;
    CREATE TRIGGER audited AFTER UPDATE ON rehouse.lane FOR EACH ROW
      WHEN (OLD.next_offset IS DISTINCT FROM NEW.next_offset) EXECUTE FUNCTION audit.note_move();
    ALTER TABLE rehouse.lane ENABLE ALWAYS TRIGGER audited;
    ${TENANTS.flatMap((tenant) => [
      `CREATE SCHEMA shop_${tenant};`,
      ...["ticks", "counters"].map(
        (table) => `CREATE TABLE shop_${tenant}.${table} (id bigint PRIMARY KEY, n bigint NOT NULL);
          CREATE TRIGGER audited AFTER INSERT OR UPDATE ON shop_${tenant}.${table} FOR EACH ROW EXECUTE FUNCTION audit.note_write();
          ALTER TABLE shop_${tenant}.${table} ENABLE ALWAYS TRIGGER audited;`,
      ),
    ]).join("\n")}`;
}

export async function expectNothingTwice({ target }: Migration): Promise<void> {
  expect(
    await target.rows(
      "SELECT tenant, id, writer, count(*) FROM audit.write WHERE relation = 'ticks' GROUP BY 1, 2, 3 HAVING count(*) > 1 LIMIT 10",
    ),
    "rows that were written more than once",
  ).toEqual([]);
  expect(
    await target.rows(
      `SELECT * FROM (SELECT tenant, id, n, lag(n) OVER (PARTITION BY tenant, id ORDER BY entry) AS before
                        FROM audit.write WHERE relation = 'counters' AND writer = 'apply') AS w WHERE n <= before LIMIT 10`,
    ),
    "counts that were written twice, or went back",
  ).toEqual([]);
  expect(
    await target.rows(
      `SELECT * FROM (SELECT *, lag(to_offset) OVER place AS before FROM audit.move WINDOW place AS (PARTITION BY partition, lane ORDER BY entry)) AS m
        WHERE from_offset <> before OR to_offset <= from_offset OR (to_lsn, to_ordinal) < (from_lsn, from_ordinal) LIMIT 10`,
    ),
    "moves of a lane that do not join",
  ).toEqual([]);
  expect(await target.value("SELECT count(*) > 0 FROM audit.move"), "moves were written down").toBe("t");
  expect(
    await target.rows("SELECT source, relation, block_from FROM rehouse.chunk GROUP BY 1, 2, 3 HAVING count(*) > 1"),
    "chunks that are twice in the ledger",
  ).toEqual([]);
}

const THINK_MS = 15;

/** Clients whose every transaction inserts a tick and counts a counter up. */
export class Tickers {
  readonly #work: Promise<void>[];
  #stopped = false;

  constructor(sql: Sql, { count }: { count: number }) {
    this.#work = Array.from({ length: count }, (_, index) => this.#client(sql, new Random(7_000 + index)));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#work);
  }

  async #client(sql: Sql, random: Random): Promise<void> {
    while (!this.#stopped) {
      const [account, id] = [random.of(TENANTS), 1 + random.int(COUNTERS)];
      // A server that is away: what became of the transaction is for the comparison to find out.
      await sql
        .run(
          `WITH tick AS (INSERT INTO ticks VALUES (${account}, nextval('tick'), 1)) UPDATE counters SET n = n + 1 WHERE account = ${account} AND id = ${id}`,
        )
        .catch(() => undefined);
      await new Promise((resume) => setTimeout(resume, THINK_MS));
    }
  }
}
