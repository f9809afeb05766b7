/** The SQL that reads a chunk at the source: its rows for COPY, and the checksum of the same rows. Pure. */

import {
  checksumColumns,
  mappedColumns,
  rowHash,
  rowsClause,
  type ServerFacts,
  sourceRows,
  tenantAtSource,
} from "../compare/index.ts";
import { identList } from "../model/sql.ts";
import type { Chunk } from "./ledger.ts";

export type CopyFormat = "binary" | "text";

export type ChunkQuery = {
  readonly format: CopyFormat;
  /** Target columns, in the order of the copied values. */
  readonly columns: readonly string[];
  /** The hash of a row at the target. */
  readonly targetHash: string;
  /** `COPY ... TO STDOUT`; with `tenantFirst` a text column with the row's tenant comes before the others. */
  copyOut(tenantFirst: boolean): string;
  /** `COPY target FROM STDIN` in the same format and order; `tenantFirst` names the column for the tenant. */
  copyIn(target: string, tenantFirst?: string): string;
  /** Columns unit, rows and, with `hashed`, hash; a row per tenant. For a table without tenants, or one tenant, one row with unit NULL. */
  checksum(hashed: boolean): string;
};

/** `tenants`: those of the chunk, one or all of its wave; undefined for a table without tenants. */
export function chunkQuery(
  chunk: Chunk,
  tenants: readonly string[] | undefined,
  isPartitionRoot: boolean,
  facts: ServerFacts,
): ChunkQuery {
  const columns = mappedColumns(chunk.table, facts);
  const format: CopyFormat = columns.every((column) => column.isBinarySafe) ? "binary" : "text";
  const clause = rowsClause(
    sourceRows(chunk.table, { relation: chunk.relation, only: !isPartitionRoot, blocks: chunk.blocks, tenants }),
  );
  const values = columns.map((column) => column.copied).join(", ");
  const isGrouped = tenants !== undefined && tenants.length > 1;
  return {
    format,
    columns: columns.map((column) => column.name),
    targetHash: rowHash(columns.map((column) => column.targetHash)),
    copyOut: (tenantFirst) =>
      `COPY (SELECT ${tenantFirst ? `(${tenantAtSource(chunk.table)})::text, ` : ""}${values} ${clause}) TO STDOUT (FORMAT ${format})`,
    copyIn: (target, tenantFirst) =>
      `COPY ${target} (${identList([...(tenantFirst === undefined ? [] : [tenantFirst]), ...columns.map((column) => column.name)])}) FROM STDIN (FORMAT ${format})`,
    checksum: (hashed) => {
      const sums = hashed ? checksumColumns(rowHash(columns.map((column) => column.sourceHash))) : "count(*) AS rows";
      if (!isGrouped) return `SELECT NULL AS unit, ${sums} ${clause}`;
      const tenant = tenantAtSource(chunk.table);
      return `SELECT (${tenant})::text AS unit, ${sums} ${clause} GROUP BY ${tenant}`;
    },
  };
}
