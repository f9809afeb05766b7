/** The first epoch's way of a chunk: straight from the source into the target tables, inside the open transactions of both. */

import { pipeline } from "node:stream/promises";
import { addChecksums, type Checksum, NO_ROWS, readChecksum, sameChecksum } from "../compare/index.ts";
import { isPooledAtTarget, type Mapping, type TableMapping, targetOf } from "../model/mapping.ts";
import { qualified } from "../model/sql.ts";
import type { Session } from "../ports.ts";
import type { ChunkQuery } from "./chunk-query.ts";
import { demultiplex } from "./demultiplex.ts";
import type { Copied } from "./ledger.ts";
import { sizesBefore, writtenRows } from "./target-rows.ts";

export type ChunkLoad = {
  readonly source: Session;
  readonly target: Session;
  /** Of the target's transaction, as xmin shows it. */
  readonly xid: string;
  readonly mapping: Mapping;
  readonly table: TableMapping;
  readonly query: ChunkQuery;
  /** The units whose rows the chunk may hold. */
  readonly units: readonly string[];
  readonly compare: boolean;
};

/** A comparison that failed. */
export class ChunkDiffers extends Error {
  override readonly name = "ChunkDiffers";
  /** Undefined: all units together. */
  readonly unit: string | undefined;
  readonly source: Checksum;
  readonly target: Checksum;

  constructor(unit: string | undefined, source: Checksum, target: Checksum) {
    super("the chunk does not equal its source");
    this.unit = unit;
    this.source = source;
    this.target = target;
  }
}

export async function loadChunk(load: ChunkLoad): Promise<Copied> {
  return isPooledAtTarget(load.mapping, load.table) || load.units.length === 1 ? loadIntoOne(load) : loadIntoEach(load);
}

/** Into one table: Node only carries the bytes. */
async function loadIntoOne(load: ChunkLoad): Promise<Copied> {
  const { source, target, query } = load;
  const root = targetTable(load, load.units[0] ?? "");
  const sizes = load.compare ? await sizesBefore(target, [root]) : undefined;
  await pipeline(source.copyOut(query.copyOut(false)), target.copyIn(query.copyIn(root)));
  const counting = sourceChecksums(load);
  if (sizes === undefined) return { ...(await counting.then(asCopied)), checksum: undefined };
  const expected = counting.then((byUnit) => new Map([[root, total(byUnit).rows]]));
  // `expected` is in the list so that its failure is owned even when the target's look fails first.
  const [byUnit, found] = await Promise.all([
    counting,
    writtenRows(target, load.xid, sizes, query.targetHash, [root], expected),
    expected,
  ]);
  assertEqual(undefined, total(byUnit), found.get(root) ?? NO_ROWS);
  return asCopied(byUnit);
}

/** Into a table per tenant, and compared tenant by tenant: a row in the wrong tenant's table shows on both. */
async function loadIntoEach(load: ChunkLoad): Promise<Copied> {
  const { source, target, query } = load;
  const sizes = load.compare
    ? await sizesBefore(
        target,
        load.units.map((unit) => targetTable(load, unit)),
      )
    : undefined;
  const written = await demultiplex(source.copyOut(query.copyOut(true)), target, query.format, (unit) =>
    query.copyIn(targetTable(load, unit)),
  );
  if (sizes === undefined) {
    const rows = [...written.values()].reduce((sum, each) => sum + each, 0n);
    return { rows, leftOut: 0n, checksum: undefined, byUnit: written };
  }
  const expected = Promise.resolve(new Map([...written].map(([unit, rows]) => [targetTable(load, unit), rows])));
  const roots = [...written.keys()].map((unit) => targetTable(load, unit));
  const [byUnit, found] = await Promise.all([
    sourceChecksums(load),
    writtenRows(target, load.xid, sizes, query.targetHash, roots, expected),
  ]);
  for (const unit of new Set([...byUnit.keys(), ...written.keys()])) {
    assertEqual(unit, byUnit.get(unit) ?? NO_ROWS, found.get(targetTable(load, unit)) ?? NO_ROWS);
  }
  return asCopied(byUnit);
}

export function targetTable(load: Pick<ChunkLoad, "mapping" | "table">, unit: string): string {
  return qualified(targetOf(load.mapping, load.table, unit));
}

/** The chunk's rows as the source's snapshot has them, by unit; hashed when they are to be compared. */
export async function sourceChecksums(
  load: Pick<ChunkLoad, "source" | "query" | "units" | "compare">,
): Promise<Map<string, Checksum>> {
  const rows = await load.source.query(load.query.checksum(load.compare));
  return new Map(rows.map((row) => [row["unit"] ?? load.units[0] ?? "", readChecksum(row)]));
}

export function total(byUnit: ReadonlyMap<string, Checksum>): Checksum {
  return [...byUnit.values()].reduce(addChecksums, NO_ROWS);
}

export function assertEqual(unit: string | undefined, source: Checksum, target: Checksum): void {
  if (!sameChecksum(source, target)) throw new ChunkDiffers(unit, source, target);
}

function asCopied(byUnit: ReadonlyMap<string, Checksum>): Copied {
  const all = total(byUnit);
  return { rows: all.rows, leftOut: 0n, checksum: all, byUnit: new Map([...byUnit].map(([unit, { rows }]) => [unit, rows])) };
}
