/** In which pieces a tenant's rows of a table are looked for, so that all of them together are read about once. */

import { hasTenantIndex, leavesOf, type Relation, readsWholeTable, tenantShares } from "../backfill/index.ts";
import { type Blocks, type Rows, sourceRows } from "../compare/index.ts";
import type { TableMapping } from "../model/mapping.ts";
import { qualified } from "../model/sql.ts";
import type { Session } from "../ports.ts";

/** A few batches: what is removed of a piece is in the way of its next batch until vacuum comes by. */
const ROWS_A_PIECE = 1_000;
/** 8 MiB, some milliseconds of reading: of a table in which the tenant has hardly a row. */
const BLOCKS_A_PIECE = 1_024;

/**
 * Ranges of blocks, as the backfill reads them: a scan that began at the table's beginning for each batch would pass everything that the batches
 * before it have removed, which for n rows is n² of them. Rows that are few in a large table are reached through their tenant's index instead. The last
 * piece is the whole table: nothing writes there any more, so nothing should be left, and that is not taken on trust.
 */
export async function* pieces(
  source: Session,
  table: TableMapping,
  tenant: string,
  isPartitionRoot: boolean,
): AsyncGenerator<Rows> {
  const tenants = table.kind === "tenant" ? [tenant] : undefined;
  const leaves = await leavesOf(source, table);
  const share = tenants === undefined ? 1 : (await tenantShares(source, table))(tenant);
  const blocks = leaves.reduce((sum, leaf) => sum + leaf.blocks, 0);
  if (readsWholeTable({ blocks, share, hasTenantIndex: await hasTenantIndex(source, table) })) {
    for (const leaf of leaves.filter(({ hasBlocks }) => hasBlocks))
      for (const range of ranges(leaf, share))
        yield sourceRows(table, { relation: leaf.name, only: true, blocks: range, tenants });
  }
  yield sourceRows(table, { relation: qualified(table.source), only: !isPartitionRoot, tenants });
}

function* ranges({ blocks, rows }: Relation, share: number): Generator<Blocks> {
  const rowsABlock = (rows * share) / Math.max(blocks, 1);
  const step = Math.max(1, Math.min(BLOCKS_A_PIECE, Math.floor(ROWS_A_PIECE / Math.max(rowsABlock, 1e-6))));
  let from = 0;
  for (; from + step < blocks; from += step) yield { from, to: from + step };
  yield { from, to: undefined };
}
