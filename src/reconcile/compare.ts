/** Compares the rows of one range, down to the rows that differ for good. */

import type { ServerFacts } from "../compare/index.ts";
import type { Secrets } from "../evidence/index.ts";
import type { Lsn } from "../model/position.ts";
import {
  type Difference,
  describe,
  type Sessions,
  scanTable,
  settle,
  sidesOf,
  sourcePosition,
  waitForLane,
} from "../verify/index.ts";
import type { ReconcileDeps, Tuning } from "./deps.ts";
import type { Lease } from "./lease.ts";
import { sidesOfRange } from "./ranges.ts";

export type RangeResult = {
  readonly rows: bigint;
  /** Of the side that holds the truth. */
  readonly hash: bigint;
  readonly position: Lsn;
  readonly differences: readonly Difference[];
  readonly unsettled: number;
  readonly omitted: number;
};

export type CompareContext = {
  readonly deps: ReconcileDeps;
  readonly tuning: Tuning;
  readonly facts: ServerFacts;
  readonly secrets: Secrets;
  readonly partitionRoots: ReadonlySet<string>;
  readonly sessions: Sessions;
};

/** Undefined: rows may be in flight, and the lane that would bring them did not move on in time. */
export async function compareRange(
  { deps, tuning, facts, secrets, partitionRoots, sessions }: CompareContext,
  { unit, table, range, keyOrder }: Lease,
  signal: AbortSignal,
): Promise<RangeResult | undefined> {
  const sides = sidesOf(deps.mapping, table, facts, partitionRoots.has(unit.table));
  const position = await sourcePosition(sessions.source);
  const scan = await scanTable(sessions, keyOrder === undefined ? sides : sidesOfRange(sides, table, keyOrder, range), [
    unit.tenant,
  ]);
  // Rows are looked up by their keys from here on: one that moved to another range meanwhile is found there, too.
  const [settled = []] = await settle(
    sessions,
    [{ sides, suspects: scan.suspects }],
    deps.waitForApplied ?? ((tenant, lsn, ended) => waitForLane(deps.target, deps.migration, tenant, lsn, ended, tuning.laneMs)),
    signal,
  );
  if (settled.some(({ verdict }) => verdict === "stalled")) return undefined;
  const found = settled.filter(({ verdict }) => verdict === "differs");
  const differences = await describe(sessions, sides, unit.tenant, found, {
    migration: unit.migration,
    secrets,
    table: unit.table,
  });
  const sum = scan.sums.get(unit.tenant);
  return {
    rows: sum?.rows ?? 0n,
    hash: sum?.hash ?? 0n,
    position,
    differences,
    unsettled: settled.length - found.length,
    omitted: found.length - differences.length + Number(scan.omitted.get(unit.tenant) ?? 0n),
  };
}
