/** Whether the source's tables can be replicated, and say whose row a change is about. Pure. */

import { findColumn, type Table } from "../catalog/index.ts";
import { keyOf, noKey } from "../mapping/index.ts";
import { tableText } from "../model/mapping.ts";
import { ident, identList, qualified } from "../model/sql.ts";
import { error, type Finding } from "./finding.ts";
import { rowSecurity } from "./row-security.ts";

export function checkSourceTable(table: Table, tenantColumn: string | undefined): Finding[] {
  const place = `source ${tableText(table.name)}`;
  const unfit = notReplicable(table, place);
  if (unfit !== undefined) return [unfit];
  return [
    ...(keyOf(table) === undefined ? [noKey(table)] : []),
    ...partitions(table, place),
    ...rowSecurity(table, "source", place),
    ...tenantInIdentity(table, tenantColumn, place),
  ];
}

function notReplicable(table: Table, place: string): Finding | undefined {
  if (table.kind !== "table" && table.kind !== "partitioned table") {
    return error(
      "not-a-table",
      place,
      `it is a ${table.kind}, and only tables are in the replication stream`,
      "name the tables that it is made of",
    );
  }
  if (table.isPartition)
    return error(
      "not-a-table",
      place,
      "it is a partition, and its changes come under the name of its partitioned table",
      "name the partitioned table",
    );
  if (table.persistence === "unlogged")
    return error(
      "not-logged",
      place,
      "it is unlogged: its changes are not in the WAL",
      `ALTER TABLE ${qualified(table.name)} SET LOGGED;`,
    );
  if (table.persistence === "temporary")
    return error("not-logged", place, "it is temporary: its changes are not in the WAL", "leave it out of the file");
  if (table.inherited)
    return error(
      "inherited",
      place,
      "other tables inherit from it, and their changes come under their own names",
      "name the children as tables of their own, or make them partitions",
    );
  return undefined;
}

function partitions(table: Table, place: string): Finding[] {
  if (table.kind !== "partitioned table") return [];
  const different = table.leaves.filter((leaf) => leaf.identity !== table.identity.kind);
  if (different.length === 0) return [];
  return [
    error(
      "partition-identity",
      place,
      `its replica identity is ${table.identity.kind}, and ${different.map((leaf) => `${tableText(leaf.name)} has ${leaf.identity}`).join(", ")}: a change carries what its own partition says`,
      table.identity.kind === "index"
        ? "give each partition REPLICA IDENTITY USING INDEX with its part of the index"
        : different
            .map((leaf) => `ALTER TABLE ${qualified(leaf.name)} REPLICA IDENTITY ${table.identity.kind.toUpperCase()};`)
            .join(" "),
    ),
  ];
}

/** A delete carries the replica identity and nothing else; without the tenant in it, nobody can say whose row is gone. */
function tenantInIdentity(table: Table, tenantColumn: string | undefined, place: string): Finding[] {
  const column = tenantColumn === undefined ? undefined : findColumn(table, tenantColumn);
  const key = keyOf(table);
  if (column === undefined || key === undefined || table.identity.columns.includes(column.name)) return [];
  const storage = table.kind === "partitioned table" ? table.leaves.map((leaf) => leaf.name) : [table.name];
  const full = storage.map((name) => `ALTER TABLE ${qualified(name)} REPLICA IDENTITY FULL;`).join(" ");
  const index = `${table.name.table.slice(0, 40)}_rehouse_identity`;
  const narrow = `CREATE UNIQUE INDEX CONCURRENTLY ${ident(index)} ON ${qualified(table.name)} (${identList([column.name, ...key])}); ALTER TABLE ${qualified(table.name)} REPLICA IDENTITY USING INDEX ${ident(index)};`;
  const canBeNarrow = column.notNull && table.kind === "table";
  return [
    error(
      "tenant-not-in-identity",
      place,
      `updates and deletes carry ${table.identity.columns.join(", ")} of the old row but not ${column.name}: a delete would not say whose row it was`,
      canBeNarrow ? `${full}  or, with less WAL: ${narrow}` : full,
    ),
  ];
}
