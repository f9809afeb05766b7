/** The fence's triggers on a table and its partitions: which there should be, which there are, and how they come and go. */

import { z } from "zod";
import { oidArray, text } from "../catalog/fields.ts";
import { type TableName, tableText } from "../model/mapping.ts";
import { ident, literal, qualified } from "../model/sql.ts";
import type { Session } from "../ports.ts";
import {
  type Fencing,
  functionName,
  OPERATIONS,
  type Operation,
  ROW_OPERATIONS,
  type RowOperation,
  type TenantOfRow,
  TRIGGER_PREFIX,
  tenantsIn,
  triggerName,
} from "./fenced-table.ts";
import { type Lookup, lookupIn } from "./lookup.ts";
import { readTables, type StoredTable } from "./state.ts";

/**
 * AFTER, so that the row is as it was written, whatever an application's trigger has made of it, and nothing is committed unasked. BEFORE would have an
 * update or delete of any tenant lock its row first, with a record in the WAL, and COPY write row by row.
 */
const EVENTS: Record<Operation, string> = {
  ins: "AFTER INSERT",
  upd: "AFTER UPDATE",
  del: "AFTER DELETE",
  trunc: "BEFORE TRUNCATE",
};

/** One relation of a table: itself, or one of its partitions of any level. */
type Relation = {
  /** The table's oid. */
  readonly root: string;
  readonly name: TableName;
  readonly isRoot: boolean;
  /** name → argument, of those that fire whatever session_replication_role says. */
  readonly triggers: ReadonlyMap<string, string>;
};

/** Whether triggers of these tenants, and no others, are on all of the table. */
export async function areThere(
  session: Session,
  migration: string,
  table: StoredTable,
  armed: readonly string[],
): Promise<boolean> {
  const relations = await readRelations(session, [table]);
  const tenants = tenantsIn(table.tenant, armed);
  const wanted = tenants.length === 0 ? undefined : argument(table, tenants);
  return relations.every(({ triggers }) => OPERATIONS.every((one) => triggers.get(triggerName(migration, one)) === wanted));
}

/** The tables that lack a trigger for the tenant, on themselves or on a partition. */
export async function tablesWithout(
  session: Pick<Session, "query">,
  migration: string,
  tables: readonly StoredTable[],
  tenant: string,
): Promise<StoredTable[]> {
  const concerned = tables.filter((table) => tenantsIn(table.tenant, [tenant]).length > 0);
  const relations = await readRelations(session, concerned);
  return concerned.filter(({ relation }) => {
    const parts = relations.filter(({ root }) => root === relation);
    const isFor = (written: string | undefined) => written !== undefined && argumentTenants(written).includes(tenant);
    return (
      parts.length === 0 ||
      parts.some(({ triggers }) => !OPERATIONS.every((one) => isFor(triggers.get(triggerName(migration, one)))))
    );
  });
}

/**
 * SQL that puts them there, or takes them away where none of the tenants has rows in the table. All of it is to be one transaction and one
 * message: it waits for transactions that have written to the table and are not over, and new ones wait until it has ended.
 */
export async function triggersSql(
  session: Session,
  migration: string,
  table: StoredTable,
  armed: readonly string[],
): Promise<string> {
  const relations = await readRelations(session, [table]);
  const tenants = tenantsIn(table.tenant, armed);
  if (tenants.length === 0) return dropSql(migration, relations);
  const lookup = "constant" in table.tenant ? undefined : await lookupIn(session, table.tenant, tenants);
  const trigger = (operation: Operation, on: TableName, level: string) =>
    `CREATE OR REPLACE TRIGGER ${ident(triggerName(migration, operation))} ${EVENTS[operation]} ON ${qualified(on)} ${level}
       EXECUTE FUNCTION rehouse.${ident(functionName(migration, table, operation))}(${literal(argument(table, tenants))})`;
  const always = OPERATIONS.map((one) => `ENABLE ALWAYS TRIGGER ${ident(triggerName(migration, one))}`).join(", ");
  return [
    // With all its partitions, those of other names too.
    `LOCK TABLE ${qualified(table.table)} IN SHARE ROW EXCLUSIVE MODE`,
    // A row trigger comes to the partitions by itself, also to later ones; a statement's does not, but TRUNCATE asks those of each partition.
    ...ROW_OPERATIONS.map((one) => trigger(one, table.table, `FOR EACH ROW ${whenOf(one, table.tenant, lookup)}`)),
    ...relations.map(({ name }) => trigger("trunc", name, "FOR EACH STATEMENT")),
    ...relations.map(({ name }) => `ALTER TABLE ONLY ${qualified(name)} ${always}`),
  ].join(";\n");
}

/** In the caller's transaction, from a table that is about to lose what they look at. Its functions and its place in the state stay until it is disarmed. */
export async function dropTriggers(session: Session, migration: string, name: TableName): Promise<void> {
  const table = (await readTables(session, migration)).find((one) => tableText(one.table) === tableText(name));
  if (table !== undefined) await session.query(dropSql(migration, await readRelations(session, [table])));
}

function dropSql(migration: string, relations: readonly Relation[]): string {
  return relations
    .flatMap(({ name, isRoot }) =>
      OPERATIONS.filter((one) => isRoot || one === "trunc").map(
        (one) => `DROP TRIGGER IF EXISTS ${ident(triggerName(migration, one))} ON ${qualified(name)}`,
      ),
    )
    .join(";\n");
}

/**
 * Rows of other tenants cost a comparison, and no call. What lets an armed tenant's row pass stays in the function: here it would spare that row its call
 * (1.0 of 1.4 us), but each statement, whosever its rows are, would read 2 kB more of WHEN for each tenant (12 us, where the call costs 9 and
 * is made once).
 */
function whenOf(operation: RowOperation, tenant: TenantOfRow, lookup: Lookup | undefined): string {
  if ("constant" in tenant || lookup === undefined) return "";
  const column = ident(tenant.column);
  switch (operation) {
    case "ins":
      return `WHEN (${lookup.isListed("NEW")})`;
    case "upd":
      return `WHEN (${lookup.isListed("NEW")} OR NEW.${column} IS DISTINCT FROM OLD.${column})`;
    case "del":
      return `WHEN (${lookup.isListed("OLD")})`;
  }
}

/** A trigger's argument says what it was made for: its WHEN Postgres rewrites, an argument it keeps. */
function argument({ tenant, inPlace }: Fencing, tenants: readonly string[]): string {
  return JSON.stringify({ tenant, tenants, inPlace });
}

const argumentShape = z.object({ tenants: z.array(z.string()) });

function argumentTenants(written: string): readonly string[] {
  return argumentShape.parse(JSON.parse(written)).tenants;
}

async function readRelations(session: Pick<Session, "query">, tables: readonly StoredTable[]): Promise<Relation[]> {
  const rows = await session.query(
    `SELECT tree.root, c.oid, n.nspname, c.relname, t.tgname,
            -- Each argument ends with a NUL byte.
            convert_from(substr(t.tgargs, 1, length(t.tgargs) - 1), getdatabaseencoding()) AS argument
       FROM (SELECT root, root AS oid FROM unnest($1::oid[]) AS root
             UNION SELECT root, relid FROM unnest($1::oid[]) AS root, pg_partition_tree(root)) AS tree
       JOIN pg_class AS c USING (oid) JOIN pg_namespace AS n ON n.oid = c.relnamespace
       LEFT JOIN pg_trigger AS t ON t.tgrelid = c.oid AND t.tgenabled = 'A' AND t.tgname LIKE '${TRIGGER_PREFIX}%' AND t.tgnargs = 1`,
    [oidArray(tables.map(({ relation }) => relation))],
  );
  const relations = new Map<string, Relation & { triggers: Map<string, string> }>();
  for (const row of rows) {
    const [root, oid] = [text(row, "root"), text(row, "oid")];
    const name = { schema: text(row, "nspname"), table: text(row, "relname") };
    const relation = relations.get(`${root} ${oid}`) ?? { root, name, isRoot: oid === root, triggers: new Map() };
    if (row["tgname"] !== null) relation.triggers.set(text(row, "tgname"), text(row, "argument"));
    relations.set(`${root} ${oid}`, relation);
  }
  return [...relations.values()];
}
