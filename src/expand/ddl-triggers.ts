/**
 * The triggers that note what somebody else writes to a target table (rehouse.note_foreign_write() in schemas/state). They are of the ordinary kind,
 * so they do not fire where session_replication_role is replica; where our role may not set that, `rehouse.writer` says who writes.
 */

import { isOneOf, tenantColumnAtTarget } from "../compare/index.ts";
import { isPooledAtTarget, type Mapping, type TableMapping, type TableName, tableText } from "../model/mapping.ts";
import { arrayText, ident, literal, qualified } from "../model/sql.ts";
import type { Named } from "./ddl-keys.ts";

/** All names of our triggers begin with it. */
export const TRIGGER_PREFIX = "rehouse_foreign_";

/** A longer list costs the application's statements more than a look at the state tables would. */
const MOST_LISTED = 200;

/** Types whose text in JSON is the one that they have everywhere. */
const SAME_IN_JSON = /^(smallint|integer|bigint|text|uuid|boolean|character varying(\(\d+\))?|numeric(\([\d,]+\))?)$/;

export type Watched = {
  readonly mapping: Mapping;
  readonly table: TableMapping;
  readonly target: TableName;
  /** Whose rows the table holds; of a table of several tenants any of them. */
  readonly unit: string;
  /** The tenants of a table of several, where they are known for good. */
  readonly listed: readonly string[] | undefined;
  readonly secrets: ReadonlySet<string>;
};

/** Undefined where nobody could say whose row was written: tenants that share a table without a tenant column. */
export function foreignTriggers({ mapping, table, target, unit, listed, secrets }: Watched): Named[] | undefined {
  const isPooled = table.kind === "tenant" && isPooledAtTarget(mapping, table);
  const tenant = isPooled ? tenantColumnAtTarget(table) : undefined;
  if (isPooled && tenant === undefined && listed?.length !== 1) return undefined;
  const type = (name: string) => table.columns.find((column) => column.name === name)?.type ?? "";
  const args = [
    mapping.migration,
    tableText(table.source),
    tenant === undefined ? unit : "",
    tenant?.name ?? "",
    arrayText(table.targetKey),
    arrayText([...secrets]),
    table.targetKey.every((name) => SAME_IN_JSON.test(type(name))) ? "json" : "texts",
  ];
  const call = `EXECUTE FUNCTION rehouse.note_foreign_write(${args.map(literal).join(", ")})`;
  const name = (what: string) => `${TRIGGER_PREFIX}${mapping.migration.replaceAll("-", "_")}_${what}`;
  const trigger = (what: string, events: string, level: string, conditions: readonly string[]): Named => ({
    name: name(what),
    sql: `CREATE TRIGGER ${ident(name(what))} AFTER ${events} ON ${qualified(target)} FOR EACH ${level}
          WHEN (${[...conditions, OTHERS].join(" AND ")}) ${call}`,
  });
  const truncate = trigger("trunc", "TRUNCATE", "STATEMENT", []);
  if (tenant === undefined || listed === undefined || listed.length > MOST_LISTED)
    return [trigger("row", "INSERT OR UPDATE OR DELETE", "ROW", []), truncate];
  // The rows of tenants that do not move cost a comparison each, and no call.
  const moves = (row: "OLD" | "NEW") => isOneOf(`${row}.${ident(tenant.name)}`, tenant.type, listed);
  return [
    trigger("ins", "INSERT", "ROW", [moves("NEW")]),
    trigger("upd", "UPDATE", "ROW", [`(${moves("OLD")} OR ${moves("NEW")})`]),
    trigger("del", "DELETE", "ROW", [moves("OLD")]),
    truncate,
  ];
}

const OTHERS = "pg_catalog.current_setting('rehouse.writer', true) IS DISTINCT FROM 'on'";
