/** What the product's statements about its own state do, over the store: lanes, places, phases, notes of offsets. */

import { MAIN_LANE } from "../../src/apply/index.ts";
import { asLsn, formatLsn } from "../../src/model/position.ts";
import type { Param, Row } from "../../src/ports.ts";
import { list, text } from "./parameters.ts";
import { type LaneRow, laneKey, lanes, NOTES, type NoteRow, type TenantRow, tenantKey, tenants } from "./state.ts";
import type { StoreTransaction } from "./store.ts";

export function newTenant(tenant: string, kind: string, partition: number): TenantRow {
  return {
    tenant,
    kind,
    partition,
    phase: "planned",
    wave: undefined,
    lane: undefined,
    start: undefined,
    firstEpoch: undefined,
    settle: 0n,
    settled: false,
    reread: 0n,
    stopped: undefined,
  };
}

export function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

export function change(transaction: StoreTransaction, tenant: string, to: (row: TenantRow) => TenantRow): Row[] {
  const row = transaction.get<TenantRow>(tenantKey(tenant));
  if (row === undefined) return [];
  const changed = to(row);
  transaction.put(tenantKey(tenant), changed);
  return [{ tenant, start: changed.start === undefined ? null : String(changed.start) }];
}

export function membersOf(transaction: StoreTransaction, partition: number, lane: string): TenantRow[] {
  return tenants(transaction).filter((row) => row.partition === partition && row.lane === lane);
}

function named(params: readonly Param[], transaction: StoreTransaction): TenantRow[] {
  return list(params[1]).flatMap((tenant) => transaction.get<TenantRow>(tenantKey(tenant)) ?? []);
}

export function mainLanesOf(params: readonly Param[], transaction: StoreTransaction): string[] {
  return [...new Set(named(params, transaction).map(({ partition }) => partition))]
    .sort()
    .map((partition) => laneKey(partition, MAIN_LANE));
}

export function lanesOf(params: readonly Param[], transaction: StoreTransaction): string[] {
  const partitions = new Set(named(params, transaction).map(({ partition }) => partition));
  return lanes(transaction)
    .filter(({ partition }) => partitions.has(partition))
    .map(({ partition, lane }) => laneKey(partition, lane));
}

/** Up to where the stream was applied for all of some tenants; what the topic repeats of it is left out. Only a retried one has such a place. */
function appliedTo(of: readonly TenantRow[]): { readonly first: bigint; readonly lsn: bigint; readonly ordinal: bigint } {
  const least = (values: readonly bigint[]) => values.reduce((a, b) => (a < b ? a : b));
  return {
    first: least(of.map(({ start }) => start ?? 0n)),
    lsn: least(of.map(({ stopped }) => stopped?.lsn ?? 0n)),
    ordinal: least(of.map(({ stopped }) => stopped?.ordinal ?? 0n)),
  };
}

/** A main lane without members has nobody to wait for: it begins where its first members do, after what was applied of their stream. */
export function beginMainLanes(params: readonly Param[], transaction: StoreTransaction): Row[] {
  const of = named(params, transaction);
  for (const partition of new Set(of.map((row) => row.partition))) {
    const key = laneKey(partition, MAIN_LANE);
    const lane = transaction.get<LaneRow>(key);
    const { first, lsn, ordinal } = appliedTo(of.filter((row) => row.partition === partition));
    if (lane === undefined || lane.next >= first || membersOf(transaction, partition, MAIN_LANE).length > 0) continue;
    transaction.put(key, { ...lane, next: first, lsn: max(lane.lsn, lsn), ordinal: lane.lsn < lsn ? ordinal : lane.ordinal });
  }
  return [];
}

export function chooseLanes(params: readonly Param[], transaction: StoreTransaction, anywhere: boolean): Row[] {
  for (const { tenant, partition, start } of named(params, transaction)) {
    const main = transaction.get<LaneRow>(laneKey(partition, MAIN_LANE));
    if (main === undefined || start === undefined) continue;
    change(transaction, tenant, (row) => ({ ...row, lane: anywhere || main.next <= start ? MAIN_LANE : text(params[2]) }));
  }
  return [];
}

export function newLanes(params: readonly Param[], transaction: StoreTransaction): string[] {
  const name = text(params[1]);
  const partitions = new Set(
    tenants(transaction)
      .filter(({ lane }) => lane === name)
      .map(({ partition }) => partition),
  );
  return [...partitions].map((partition) => laneKey(partition, name));
}

export function makeLateLanes(params: readonly Param[], transaction: StoreTransaction): Row[] {
  const name = text(params[1]);
  for (const key of newLanes(params, transaction)) {
    if (transaction.get(key) !== undefined) continue;
    const members = tenants(transaction).filter((row) => row.lane === name && laneKey(row.partition, name) === key);
    const { first, lsn, ordinal } = appliedTo(members);
    transaction.put(key, {
      partition: members[0]?.partition ?? 0,
      lane: name,
      next: first,
      lsn,
      ordinal,
      membership: 0n,
    } satisfies LaneRow);
  }
  return [];
}

export function countMembership(params: readonly Param[], transaction: StoreTransaction): Row[] {
  for (const key of lanesOf(params, transaction)) increase(transaction, key);
  return [];
}

function increase(transaction: StoreTransaction, key: string): void {
  const lane = transaction.get<LaneRow>(key);
  if (lane !== undefined) transaction.put(key, { ...lane, membership: lane.membership + 1n });
}

export function countOne([, partition, lane]: readonly Param[], transaction: StoreTransaction): Row[] {
  increase(transaction, laneKey(text(partition), text(lane)));
  return [];
}

export function mainAndLate([, partition, lane]: readonly Param[]): string[] {
  return [laneKey(text(partition), MAIN_LANE), laneKey(text(partition), text(lane))];
}

export function meets([, partition, lane]: readonly Param[], transaction: StoreTransaction, anywhere: boolean): Row[] {
  const main = transaction.get<LaneRow>(laneKey(text(partition), MAIN_LANE));
  const late = transaction.get<LaneRow>(laneKey(text(partition), text(lane)));
  return main === undefined || late === undefined || (main.next > late.next && !anywhere)
    ? []
    : [{ next_offset: String(late.next) }];
}

export function membersKeys([, partition, lane]: readonly Param[], transaction: StoreTransaction): string[] {
  return membersOf(transaction, Number(text(partition)), text(lane)).map(({ tenant }) => tenantKey(tenant));
}

export function moveToMain([, partition, lane, offset]: readonly Param[], transaction: StoreTransaction): Row[] {
  for (const { tenant } of membersOf(transaction, Number(text(partition)), text(lane)))
    change(transaction, tenant, (row) => ({ ...row, lane: MAIN_LANE, start: BigInt(text(offset)) }));
  return [];
}

export function dropLane([, partition, lane]: readonly Param[], transaction: StoreTransaction): Row[] {
  transaction.put(laneKey(text(partition), text(lane)), undefined);
  return [];
}

export function dropEmptyLane([, partition, lane]: readonly Param[], transaction: StoreTransaction): Row[] {
  const isEmpty = membersOf(transaction, Number(text(partition)), text(lane)).length === 0;
  if (text(lane) !== MAIN_LANE && isEmpty) transaction.put(laneKey(text(partition), text(lane)), undefined);
  return [];
}

export function stop([, partition, lane, tenant, code]: readonly Param[], transaction: StoreTransaction): Row[] {
  const of = transaction.get<LaneRow>(laneKey(text(partition), text(lane)));
  const row = transaction.get<TenantRow>(tenantKey(text(tenant)));
  if (of === undefined || row?.lane !== of.lane || row.partition !== of.partition) return [];
  return change(transaction, text(tenant), (before) => ({
    ...before,
    lane: undefined,
    start: max(before.start ?? 0n, of.next),
    stopped: { lsn: of.lsn, ordinal: of.ordinal, code: text(code) },
  }));
}

export function addNote(transaction: StoreTransaction, lsn: bigint, ceiling: bigint, offsets: string): void {
  const notes = transaction.get<readonly NoteRow[]>(NOTES) ?? [];
  if (notes.some((note) => note.lsn === lsn)) return;
  const note = { lsn, ceiling, offsets: offsets.slice(1, -1).split(",").map(BigInt) };
  transaction.put(
    NOTES,
    [...notes, note].sort((a, b) => (a.lsn < b.lsn ? -1 : 1)),
  );
}

export function inPhase(transaction: StoreTransaction, phase: string): string[] {
  return sharedFirst(tenants(transaction).filter((row) => row.phase === phase)).map(({ tenant }) => tenant);
}

function sharedFirst(rows: readonly TenantRow[]): TenantRow[] {
  return [...rows].sort((a, b) => Number(b.kind === "shared") - Number(a.kind === "shared") || (a.tenant < b.tenant ? -1 : 1));
}

export function unitsOfWave(transaction: StoreTransaction, wave: number): TenantRow[] {
  return tenants(transaction).filter((row) => row.wave === wave && row.phase === "backfilling");
}

export function copiedWaves(transaction: StoreTransaction): Row[] {
  const backfilling = sharedFirst(tenants(transaction).filter(({ phase }) => phase === "backfilling"));
  const numbers = [...new Set(backfilling.map(({ wave }) => wave ?? 0))].sort((a, b) => a - b);
  return numbers.map((wave) => ({
    wave: String(wave),
    units: JSON.stringify(backfilling.filter((row) => row.wave === wave).map(({ tenant }) => tenant)),
  }));
}

/** FOR UPDATE OF t SKIP LOCKED */
export function settling(transaction: StoreTransaction): TenantRow[] {
  return tenants(transaction).filter((row) => {
    if (row.settled || row.lane === undefined || !transaction.isFree(tenantKey(row.tenant))) return false;
    const lane = transaction.get<LaneRow>(laneKey(row.partition, row.lane));
    return lane !== undefined && lane.lsn >= row.settle;
  });
}

export function settle(_: readonly Param[], transaction: StoreTransaction): Row[] {
  for (const { tenant } of settling(transaction)) change(transaction, tenant, (row) => ({ ...row, settled: true }));
  return [];
}

export function caughtUp(transaction: StoreTransaction): Row[] {
  const there = sharedFirst(tenants(transaction)).filter(
    (row) => row.phase === "catching-up" && row.settled && row.lane === MAIN_LANE && row.stopped === undefined,
  );
  return there.flatMap((row) => {
    const lane = transaction.get<LaneRow>(laneKey(row.partition, MAIN_LANE));
    return lane === undefined
      ? []
      : { tenant: row.tenant, settle_lsn: formatLsn(asLsn(row.settle)), lsn: formatLsn(asLsn(lane.lsn)) };
  });
}
