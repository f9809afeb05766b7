import type { TableMapping } from "../model/mapping.ts";
import { qualified } from "../model/sql.ts";
import type { Session } from "../ports.ts";
import type { RelationSize } from "./split.ts";

/** A physical relation of a source table: the table itself, or a leaf of its partition tree. */
export type Relation = RelationSize & {
  /** Quoted for SQL. */
  readonly name: string;
  /** Changes when the relation is rewritten, and block numbers then mean something else. "0" for what has no storage of its own. */
  readonly filenode: string;
  /** Whether it has blocks that a TID range scan can read (a foreign table has none). */
  readonly hasBlocks: boolean;
};

/** Rows a block for a table that was never analyzed. Only the size of chunks depends on it, and the byte limit bounds that too. */
const ROWS_PER_BLOCK = 60;

/** The leaves of a source table as they are now. Sizes are the files', rows the planner's estimate for this size. */
export async function leavesOf(source: Session, table: TableMapping): Promise<Relation[]> {
  const rows = await source.query(
    `WITH root AS (SELECT CAST($1 AS regclass) AS oid),
          leaf AS (SELECT relid::oid AS oid FROM root, pg_catalog.pg_partition_tree(root.oid) WHERE isleaf
                   UNION SELECT root.oid FROM root JOIN pg_catalog.pg_class USING (oid) WHERE relkind <> 'p')
     SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name, c.relkind, coalesce(pg_catalog.pg_relation_filenode(c.oid), 0) AS filenode,
            coalesce(pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::int, 0) AS blocks,
            coalesce(pg_catalog.pg_table_size(c.oid), 0) AS bytes, c.reltuples, c.relpages
       FROM leaf JOIN pg_catalog.pg_class AS c ON c.oid = leaf.oid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
      ORDER BY c.oid`,
    [qualified(table.source)],
  );
  return rows.map((row) => {
    const blocks = Number(row["blocks"]);
    const [tuples, pages] = [Number(row["reltuples"]), Number(row["relpages"])];
    return {
      name: row["name"] ?? "",
      filenode: row["filenode"] ?? "0",
      hasBlocks: row["relkind"] !== "f",
      blocks,
      bytes: Number(row["bytes"]),
      rows: Math.round(tuples >= 0 && pages > 0 ? (tuples / pages) * blocks : blocks * ROWS_PER_BLOCK),
    };
  });
}

/** Whether Postgres can go straight to a tenant's rows: some complete index begins with the tenant column. */
export async function hasTenantIndex(source: Session, table: TableMapping): Promise<boolean> {
  if (table.tenantColumn === undefined) return false;
  const rows = await source.query(
    `SELECT FROM pg_catalog.pg_index AS i
       JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
       JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid JOIN pg_catalog.pg_am AS m ON m.oid = c.relam
      WHERE i.indrelid = CAST($1 AS regclass) AND i.indisvalid AND i.indpred IS NULL AND m.amname = 'btree' AND a.attname = $2`,
    [qualified(table.source), table.tenantColumn],
  );
  return rows.length > 0;
}
