/** Whether the tenants are there, and have places to go to. */

import { flag, optional, text } from "../catalog/fields.ts";
import { findColumn, rolledBack, type Table, type UserType } from "../catalog/index.ts";
import { type MigrationFile, schemaFor, schemaObjection, TENANT_PLACEHOLDER } from "../file/index.ts";
import { tableText } from "../model/mapping.ts";
import { ident, qualified } from "../model/sql.ts";
import { type Database, ServerError } from "../ports.ts";
import { error, type Finding, warning } from "./finding.ts";

/** More of a kind tell nothing new. */
const SHOWN = 10;
const COUNTED = 1000;

/** A table with its tenant column. */
export type Holder = { readonly table: Table; readonly column: string };

export function checkTenantNames(file: MigrationFile, tenants: readonly string[]): Finding[] {
  const move = file.tenants?.move;
  if (move === undefined) return [];
  if (tenants.length === 0) {
    return move.kind === "query"
      ? [error("no-tenants", "tenants.move.query", "the query names no tenant", "correct the query, or list the tenants")]
      : [warning("no-tenants", "tenants.move", "the source's tables hold no tenant", "check the tenant column")];
  }
  const template = file.layout.schema;
  if (move.kind === "list" || template === undefined || !template.includes(TENANT_PLACEHOLDER)) return [];
  const objections = tenants.flatMap((tenant) => {
    const schema = schemaFor(template, tenant);
    const expected = schemaObjection(schema);
    return expected === undefined
      ? []
      : [
          error(
            "tenant-schema",
            `tenant ${tenant}`,
            `its schema would be ${JSON.stringify(schema)}; expected ${expected}`,
            "change layout.schema, or leave the tenant out",
          ),
        ];
  });
  return objections.slice(0, SHOWN);
}

/** Listed tenants that no table knows, or that Postgres writes in another way. */
export async function checkListedTenants(
  source: Database,
  tenants: readonly string[],
  holders: readonly Holder[],
): Promise<Finding[]> {
  const root = holders.find(
    ({ table, column }) => table.primaryKey?.columns.length === 1 && table.primaryKey.columns[0] === column,
  );
  const asked = root === undefined ? holders : [root];
  const type = asked[0] === undefined ? undefined : findColumn(asked[0].table, asked[0].column)?.type;
  if (tenants.length === 0 || type === undefined) return [];
  const known = asked
    .map(({ table, column }) => `EXISTS (SELECT FROM ${qualified(table.name)} WHERE ${ident(column)} = asked.id::${type})`)
    .join(" OR ");
  try {
    const rows = await rolledBack(source, (session) =>
      session.query(
        `SELECT asked.id, (asked.id::${type})::text AS written, ${known} AS known FROM jsonb_array_elements_text($1::jsonb) AS asked(id)`,
        [JSON.stringify(tenants)],
      ),
    );
    return rows.flatMap((row) => {
      const id = text(row, "id");
      const written = text(row, "written");
      if (written !== id)
        return [
          error(
            "tenant-unknown",
            "tenants.move",
            `tenant ${JSON.stringify(id)} is written ${JSON.stringify(written)} at the source`,
            `write ${JSON.stringify(written)}`,
          ),
        ];
      if (!flag(row, "known"))
        return [
          warning(
            "tenant-unknown",
            "tenants.move",
            `tenant ${id} has no row at the source`,
            "correct or remove it; rows that come later are moved",
          ),
        ];
      return [];
    });
  } catch (cause) {
    if (!(cause instanceof ServerError) || !cause.sqlstate.startsWith("22")) throw cause;
    return [
      error(
        "tenant-unknown",
        "tenants.move",
        `a tenant is not a value of its column: ${cause.message}`,
        `list values of type ${type}`,
      ),
    ];
  }
}

/** Types whose `=` is looser than their text: 1.0 = 1.00, -0 = 0, '1 mon' = '30 days'; and citext, wherever it is installed. */
const LOOSE = /^(numeric|real|double precision|interval|jsonb|(.*\.)?citext)$/;

/** Capture takes the blanks of a char(n) off, but does not see through a domain. */
const PADDED = /^(character\(\d+\)|bpchar)$/;

/** Rehouse tells tenants apart by their text, in the stream's partitions and in names of schemas. */
export function checkTenantType({ table, column }: Holder, types: readonly UserType[]): Finding[] {
  const found = findColumn(table, column);
  if (found === undefined) return [];
  const domain = types.find((type) => type.kind === "domain" && tableText(type.name) === found.type);
  const base = domain?.kind === "domain" ? domain.base : undefined;
  const isLoose = LOOSE.test(base ?? found.type) || (base !== undefined && PADDED.test(base));
  if (found.deterministic && !isLoose) return [];
  const why = isLoose
    ? `it is ${found.type}${base === undefined ? "" : `, a domain over ${base}`}`
    : `its collation ${found.collation ?? ""} is nondeterministic`;
  return [
    error(
      "tenant-type",
      `source ${tableText(table.name)}.${column}`,
      `${why}: what is one tenant for the source may be written in several ways, and would be several tenants in the stream`,
      "move by a column of another type (integer, text, uuid, numeric with a scale): `tenant:` of the table names it",
    ),
  ];
}

/** Rows that no tenant's move takes along. */
export async function checkRowsWithoutTenant(
  source: Database,
  { table, column }: Holder,
  policy: "leave" | "refuse",
): Promise<Finding[]> {
  if (findColumn(table, column)?.notNull !== false) return [];
  const [row] = await rolledBack(source, (session) =>
    session.query(
      `SELECT count(*) AS rows FROM (SELECT FROM ${qualified(table.name)} WHERE ${ident(column)} IS NULL LIMIT ${COUNTED}) AS orphans`,
    ),
  );
  const rows = Number(optional(row ?? {}, "rows") ?? "0");
  if (rows === 0) return [];
  const count = rows >= COUNTED ? `${COUNTED} rows or more have` : rows === 1 ? "1 row has" : `${rows} rows have`;
  const finding = policy === "refuse" ? error : warning;
  return [
    finding(
      "tenant-null",
      `source ${tableText(table.name)}.${column}`,
      `${count} no tenant and would stay behind`,
      `SELECT * FROM ${qualified(table.name)} WHERE ${ident(column)} IS NULL;  give them a tenant, or write the table as { shared: true }`,
    ),
  ];
}
