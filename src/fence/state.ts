/** What is written down of the fence in the database whose writers it holds back (rehouse.fence, rehouse.fenced_table). */

import { z } from "zod";
import { number, optional, text } from "../catalog/fields.ts";
import { RehouseError } from "../errors.ts";
import { tableText } from "../model/mapping.ts";
import { isMirror } from "../model/mirror.ts";
import { arrayText } from "../model/sql.ts";
import type { Database, Row, Session } from "../ports.ts";
import type { FencedTable, TenantOfRow } from "./fenced-table.ts";

export type Home = "source" | "target";

/** Where the tenants are whose writers pass here. A migration's fence is at its source, its mirror's at its target. */
export function homeHere(migration: string): Home {
  return isMirror(migration) ? "target" : "source";
}

/** armed: writers pass. fenced: a switch is between its point of no return and its end. moved: the tenant lives elsewhere. */
export type FenceState = "armed" | "fenced" | "moved";
/** Grows with every coming and going of a tenant in this database. */
export type Generation = bigint;

export type FenceRow = {
  readonly tenant: string;
  readonly state: FenceState;
  readonly home: Home;
  readonly generation: Generation;
};

/** Whether the fence's state tables are in this database. */
export async function isInstalled(database: Pick<Database, "query">): Promise<boolean> {
  const [row] = await database.query(
    "SELECT to_regclass('rehouse.fence') IS NOT NULL AND to_regclass('rehouse.fenced_table') IS NOT NULL AS there",
  );
  return row?.["there"] === "t";
}

/** Every tenant that is or was armed; none where nothing is installed. */
export async function readFence(database: Pick<Database, "query">, migration: string): Promise<FenceRow[]> {
  if (!(await isInstalled(database))) return [];
  const rows = await database.query(
    "SELECT tenant, state, home, generation FROM rehouse.fence WHERE migration = $1 ORDER BY tenant",
    [migration],
  );
  return rows.map((row) => ({
    tenant: text(row, "tenant"),
    state: stateOf(row),
    home: text(row, "home") === "source" ? "source" : "target",
    generation: BigInt(text(row, "generation")),
  }));
}

export function stateOf(row: Row): FenceState {
  const state = text(row, "state");
  if (state === "armed" || state === "fenced" || state === "moved") return state;
  throw new RehouseError("REHOUSE_INTERNAL", { what: `rehouse.fence has a state ${state}`, fix: "report this" });
}

/** For the rest of the transaction no fence comes or goes, and nobody else arms a tenant. */
export async function lockState(session: Session): Promise<void> {
  await session.query("LOCK TABLE rehouse.fence IN SHARE ROW EXCLUSIVE MODE");
}

export type ArmedTenant = {
  readonly tenant: string;
  readonly lockKey: string;
  /** The sequence, quoted for SQL. */
  readonly signal: string;
  /** What the signal shows while writers pass. */
  readonly generation: string;
  /** What it shows as the tenant has moved away, for good or until it comes back; 0: it has not. */
  readonly away: string;
  /** The tenant has been away. */
  readonly reopened: boolean;
};

export async function readArmed(session: Session, migration: string): Promise<ArmedTenant[]> {
  const rows = await session.query(
    `SELECT tenant, lock_key, 'rehouse.fence_' || fence AS signal, armed_generation, CASE state WHEN 'moved' THEN -generation ELSE 0 END AS away,
            reopened_at IS NOT NULL AS reopened
       FROM rehouse.fence WHERE migration = $1 ORDER BY tenant`,
    [migration],
  );
  return rows.map((row) => ({
    tenant: text(row, "tenant"),
    lockKey: text(row, "lock_key"),
    signal: text(row, "signal"),
    generation: text(row, "armed_generation"),
    away: text(row, "away"),
    reopened: row["reopened"] === "t",
  }));
}

/** Adds the tenants that are not there, each with its signal, in the caller's transaction. */
export async function writeTenants(session: Session, migration: string, home: Home, tenants: readonly string[]): Promise<void> {
  const added = await session.query(
    `INSERT INTO rehouse.fence (migration, tenant, home, generation, armed_generation, lock_key)
     SELECT $1, tenant, $2, generation, generation, hashtextextended(tenant, hashtextextended('rehouse ' || $1, 0))
       FROM (SELECT tenant, nextval('rehouse.fence_generation') AS generation FROM unnest($3::text[]) AS tenant) AS new
     ON CONFLICT DO NOTHING RETURNING fence, generation`,
    [migration, home, arrayText(tenants)],
  );
  for (const row of added) {
    const signal = `rehouse.fence_${number(row, "fence")}`;
    await session.query(
      `CREATE SEQUENCE ${signal} MINVALUE -9223372036854775808; SELECT setval('${signal}', ${number(row, "generation")})`,
    );
  }
}

/** A table that has the triggers, or is about to have them. */
export type StoredTable = FencedTable & { readonly relation: string };

/** In the caller's transaction. A table is known by its oid: it may get another name. */
export async function writeTables(session: Session, migration: string, tables: readonly FencedTable[]): Promise<void> {
  const rows = tables.map(({ table, tenant, inPlace }) => ({
    ...table,
    in_place: inPlace,
    ...("constant" in tenant ? { tenant: tenant.constant } : { tenant_column: tenant.column, column_type: tenant.type }),
  }));
  const written = await session.query(
    `INSERT INTO rehouse.fenced_table (migration, relation, name, tenant, tenant_column, column_type, in_place)
     SELECT $1, c.oid, wanted.schema || '.' || wanted."table", tenant, tenant_column, column_type, in_place
       FROM jsonb_to_recordset($2::jsonb) AS wanted(schema text, "table" text, tenant text, tenant_column text, column_type text, in_place jsonb)
       JOIN pg_namespace AS n ON n.nspname = wanted.schema
       JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = wanted."table" AND c.relkind IN ('r', 'p')
     ON CONFLICT (migration, relation) DO UPDATE
       SET name = excluded.name, tenant = excluded.tenant, tenant_column = excluded.tenant_column, column_type = excluded.column_type,
           in_place = excluded.in_place
     RETURNING name`,
    [migration, JSON.stringify(rows)],
  );
  await session.query(`DELETE FROM rehouse.fenced_table AS f WHERE migration = $1 AND ${IS_GONE}`, [migration]);
  const names = new Set(written.map((row) => text(row, "name")));
  const missing = tables.find(({ table }) => !names.has(tableText(table)));
  if (missing !== undefined)
    throw new RehouseError("REHOUSE_SCHEMA_CHANGED", {
      what: "the table is not there, so its writers cannot be held back",
      where: tableText(missing.table),
      fix: "`rehouse check` says what has become of it",
    });
}

/** SQL over rehouse.fenced_table as `f`: dropped since, whatever has its name now. */
export const IS_GONE = "NOT EXISTS (SELECT FROM pg_class WHERE oid = f.relation)";

/** Names of those that have been dropped since they were armed. */
export async function readGone(session: Session, migration: string): Promise<string[]> {
  const rows = await session.query(
    `SELECT name FROM rehouse.fenced_table AS f WHERE migration = $1 AND ${IS_GONE} ORDER BY name`,
    [migration],
  );
  return rows.map((row) => text(row, "name"));
}

/** Those that still are. */
export async function readTables(session: Pick<Session, "query">, migration: string): Promise<StoredTable[]> {
  const rows = await session.query(
    `SELECT f.relation, n.nspname, c.relname, f.tenant, f.tenant_column, f.column_type, f.in_place::text
       FROM rehouse.fenced_table AS f JOIN pg_class AS c ON c.oid = f.relation JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE f.migration = $1 ORDER BY n.nspname, c.relname`,
    [migration],
  );
  return rows.map((row) => ({
    relation: text(row, "relation"),
    table: { schema: text(row, "nspname"), table: text(row, "relname") },
    tenant: tenantOf(row),
    inPlace: row["in_place"] == null ? undefined : kindsShape.parse(JSON.parse(row["in_place"])),
  }));
}

const kindsShape = z.object({ refused: z.array(z.string()), passing: z.array(z.string()) });

function tenantOf(row: Row): TenantOfRow {
  const constant = optional(row, "tenant");
  return constant === undefined ? { column: text(row, "tenant_column"), type: text(row, "column_type") } : { constant };
}
