/**
 * Which chunks a **wave** (tenants that are copied together) is made of. Made under the first epoch's snapshot and table locks, so that no
 * partition and no rewrite can come between the plan and what is read.
 */

import type { Blocks } from "../compare/index.ts";
import { isPooledAtTarget, type Mapping, type TableMapping, tableText } from "../model/mapping.ts";
import { arrayText, qualified } from "../model/sql.ts";
import type { Session } from "../ports.ts";
import type { Tuning } from "./deps.ts";
import { shareOf, type TenantShares, tenantShares } from "./estimate.ts";
import { hasTenantIndex, leavesOf, type Relation } from "./relations.ts";
import { type ChunkLimits, readsWholeTable, splitBlocks } from "./split.ts";
import { type Units, unitsOf } from "./units.ts";

export type PlannedChunk = {
  readonly source: string;
  readonly relation: string;
  readonly filenode: string;
  readonly tenant: string | undefined;
  readonly blocks: Blocks | undefined;
  readonly rows: number;
};

export type Plan = {
  readonly chunks: readonly PlannedChunk[] /** Estimated rows of each unit. */;
  readonly rows: ReadonlyMap<string, number>;
};

/** Reads the source through `source`, which holds the epoch's locks. */
export async function planWave(source: Session, mapping: Mapping, units: Units, tuning: Tuning): Promise<Plan> {
  const chunks: PlannedChunk[] = [];
  const rows = new Map<string, number>();
  for (const table of mapping.tables) {
    const members = unitsOf(units, table);
    if (members.length === 0) continue;
    const leaves = await leavesOf(source, table);
    const shares = table.kind === "tenant" ? await tenantShares(source, table) : () => 1;
    chunks.push(...(await planTable(source, table, leaves, members, shares, chunkLimits(mapping, table, tuning))));
    const total = leaves.reduce((sum, leaf) => sum + leaf.rows, 0);
    for (const unit of members) rows.set(unit, (rows.get(unit) ?? 0) + Math.round(total * Math.min(1, shares(unit))));
  }
  return { chunks, rows };
}

/** Of a table in place: a few transactions of the worker, each of which looks at the whole chunk. */
const IN_PLACE_ROWS = 2_000;

/** Where every tenant has a table of its own a chunk costs a COPY for each: as many rows as memory holds at once (demultiplex.ts). */
export function chunkLimits(mapping: Mapping, table: TableMapping, tuning: Tuning): ChunkLimits {
  if (table.inPlace !== undefined) return { rowsPerChunk: IN_PLACE_ROWS, bytesPerChunk: tuning.bytesPerChunk };
  if (isPooledAtTarget(mapping, table)) return tuning;
  return { rowsPerChunk: tuning.rowsPerChunk * 4, bytesPerChunk: tuning.bytesPerChunk };
}

async function planTable(
  source: Session,
  table: TableMapping,
  leaves: readonly Relation[],
  members: readonly string[],
  shares: TenantShares,
  limits: ChunkLimits,
): Promise<PlannedChunk[]> {
  const share = shareOf(members, shares);
  const blocks = leaves.reduce((sum, leaf) => sum + leaf.blocks, 0);
  // A tenant's rows by an index would be one chunk, however many there are.
  if (table.inPlace !== undefined || readsWholeTable({ blocks, share, hasTenantIndex: await hasTenantIndex(source, table) })) {
    return leaves.flatMap((leaf) => planRelation(table, leaf, share, limits));
  }
  const total = leaves.reduce((sum, leaf) => sum + leaf.rows, 0);
  return members.map((tenant) => ({
    source: tableText(table.source),
    relation: qualified(table.source),
    filenode: "0",
    tenant,
    blocks: undefined,
    rows: Math.round(total * Math.min(1, shares(tenant))),
  }));
}

export function planRelation(table: TableMapping, leaf: Relation, share: number, limits: ChunkLimits): PlannedChunk[] {
  const ranges = leaf.hasBlocks ? splitBlocks(leaf, share, limits) : [undefined];
  const rowsPerBlock = (leaf.rows * share) / Math.max(leaf.blocks, 1);
  return ranges.map((blocks) => ({
    source: tableText(table.source),
    relation: leaf.name,
    filenode: leaf.filenode,
    tenant: undefined,
    blocks,
    rows: Math.round(rowsPerBlock * ((blocks?.to ?? leaf.blocks) - (blocks?.from ?? 0))),
  }));
}

export async function insertChunks(
  target: Session,
  migration: string,
  wave: number,
  chunks: readonly PlannedChunk[],
): Promise<void> {
  const column = (value: (chunk: PlannedChunk) => string | null) => arrayText(chunks.map(value));
  await target.query(
    `INSERT INTO rehouse.chunk (migration, wave, source, relation, filenode, tenant, block_from, block_to, rows_estimated)
     SELECT $1, $2, c.* FROM unnest($3::text[], $4::text[], $5::bigint[], $6::text[], $7::bigint[], $8::bigint[], $9::bigint[]) AS c`,
    [
      migration,
      String(wave),
      column((chunk) => chunk.source),
      column((chunk) => chunk.relation),
      column((chunk) => chunk.filenode),
      column((chunk) => chunk.tenant ?? null),
      column((chunk) => chunk.blocks?.from.toString() ?? null),
      column((chunk) => chunk.blocks?.to?.toString() ?? null),
      column((chunk) => chunk.rows.toString()),
    ],
  );
}
