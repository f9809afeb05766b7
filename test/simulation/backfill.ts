/**
 * The copy, by the rules of src/backfill in the simulation's own words, since rows travel there by COPY: epochs (their snapshots are taken by
 * the product's own code), chunks that commit with their ledger row, later epochs that leave out what is taken, a crash between chunks.
 */

import { takeSnapshot } from "../../src/backfill/snapshot.ts";
import { RehouseError } from "../../src/errors.ts";
import { type Mapping, tableText, targetOf } from "../../src/model/mapping.ts";
import { parseLsn } from "../../src/model/position.ts";
import { parseSnapshot, type Snapshot } from "../../src/model/snapshot.ts";
import { applyTo, type History, type UnitChange } from "./history.ts";
import type { Process } from "./network.ts";
import { max } from "./rules.ts";
import { type Server, SimSession } from "./session.ts";
import { keyOf, type SourceRow } from "./source.ts";
import {
  type Chunk,
  type EpochRow,
  epochKey,
  epochs,
  type TenantRow,
  tenantKey,
  tenants,
  type WaveRow,
  waveKey,
  waves,
} from "./state.ts";
import type { SimTable } from "./tables.ts";
import type { Target } from "./target.ts";

export type Copying = {
  readonly source: Server;
  readonly target: Target;
  readonly history: History;
  readonly slotSnapshot: string;
  readonly process: Process;
  /** An epoch may see less than an earlier one. */
  readonly seesAnything: boolean;
};

type Held = { readonly epoch: EpochRow; readonly session: SimSession };

const POLL_MS = 60;

/** Copies every wave until the process is told to stop. */
export async function copyWaves(of: Copying): Promise<void> {
  const { process } = of;
  const { network, signal } = process;
  const held = new Map<number, Held>();
  while (!signal.aborted) {
    await process.request();
    const wave = waves(of.target.begin()).find((each) => each.chunks === undefined || each.chunks.some((chunk) => !chunk.done));
    if (wave === undefined) {
      for (const [number, { session }] of held) {
        held.delete(number);
        await session.close();
      }
      await network.time.sleep(POLL_MS);
      continue;
    }
    const epoch = held.get(wave.wave);
    if (epoch === undefined) {
      const opened = await openEpoch(of, wave.wave);
      if (opened !== undefined) held.set(wave.wave, opened);
      continue;
    }
    await copyChunk(of, wave, epoch.epoch);
    // An epoch that has reached its age.
    if (!network.fails(120)) continue;
    held.delete(wave.wave);
    await epoch.session.close();
  }
}

async function openEpoch(of: Copying, wave: number): Promise<Held | undefined> {
  const { process, target } = of;
  const session = new SimSession(of.source, process);
  const earlier = epochs(target.begin()).filter((epoch) => epoch.wave === wave);
  const mustSee = of.seesAnything ? [] : [parseSnapshot(of.slotSnapshot), ...earlier.map(({ snapshot }) => snapshot)];
  const mapping: Mapping = target.rows.layout.mapping;
  try {
    const taken = await takeSnapshot(session, mapping, mustSee, 30_000, process.signal);
    await process.request();
    const transaction = target.begin();
    process.connected(() => transaction.rollback());
    const units = tenants(transaction).filter((row) => row.wave === wave);
    for (const key of [waveKey(wave), ...units.map(({ tenant }) => tenantKey(tenant))]) await transaction.lock(key);
    const number = epochs(transaction).length + 1;
    const epoch = { epoch: number, wave, text: taken.snapshot, snapshot: parseSnapshot(taken.snapshot) };
    await transaction.lock(epochKey(number));
    transaction.put(epochKey(number), epoch);
    const before = transaction.get<WaveRow>(waveKey(wave));
    const firstEpoch = before?.firstEpoch ?? number;
    transaction.put(waveKey(wave), { wave, firstEpoch, chunks: before?.chunks ?? planned(of, units) } satisfies WaveRow);
    for (const { tenant } of units) {
      const row = transaction.get<TenantRow>(tenantKey(tenant));
      if (row !== undefined)
        transaction.put(tenantKey(tenant), { ...row, firstEpoch, settle: max(row.settle, parseLsn(taken.walLsn)) });
    }
    transaction.commit();
    return { epoch, session };
  } catch (error) {
    await session.close();
    if (error instanceof RehouseError) return undefined;
    throw error;
  }
}

function planned(of: Copying, units: readonly TenantRow[]): Chunk[] {
  const { layout } = of.target.rows;
  return units.flatMap(({ tenant, kind }) =>
    layout.mapping.tables
      .filter((table) => table.kind === kind)
      .flatMap((table) => [0, 1].map((half): Chunk => ({ unit: tenant, table: table.source.table, half, done: false }))),
  );
}

async function copyChunk(of: Copying, wave: WaveRow, epoch: EpochRow): Promise<void> {
  const { process, target, history } = of;
  const index = wave.chunks?.findIndex((chunk) => !chunk.done) ?? -1;
  const chunk = wave.chunks?.[index];
  const table = target.rows.layout.tables.find(({ name }) => name === chunk?.table);
  if (chunk === undefined || table === undefined) return;
  const rows = rowsAt(history.changes(chunk.unit), table, epoch.snapshot, chunk.half);
  await process.request();
  const transaction = target.begin();
  const disconnect = process.connected(() => transaction.rollback());
  const place = placeOf(target, table, chunk.unit);
  await transaction.lock(waveKey(wave.wave));
  await transaction.lock(place);
  try {
    process.checkAlive();
    for (const row of rows)
      target.rows.insert(transaction, table, place, target.rows.image(table, row), epoch.epoch !== wave.firstEpoch);
    const now = transaction.get<WaveRow>(waveKey(wave.wave));
    transaction.put(waveKey(wave.wave), {
      ...wave,
      chunks: now?.chunks?.with(index, { ...chunk, done: true }),
    } satisfies WaveRow);
    transaction.commit();
  } finally {
    disconnect();
    transaction.rollback();
  }
}

/** The unit's rows that the snapshot sees, of versions that lie in one half of the table: an update may move a row to the other. */
function rowsAt(changes: readonly UnitChange[], table: SimTable, snapshot: Snapshot, half: number): SourceRow[] {
  const rows = new Map<SimTable, Map<string, SourceRow>>();
  const halves = new Map<string, number>();
  for (const change of changes) {
    if (change.table !== table || !sees(snapshot, change.xid)) continue;
    applyTo(rows, change);
    if (change.op === "put") halves.set(keyOf(table, change.row), (Number(change.lsn >> 6n) + change.ordinal) % 2);
  }
  return [...(rows.get(table) ?? [])].filter(([key]) => halves.get(key) === half).map(([, row]) => row);
}

/** What a snapshot sees, said again: the oracle does not ask the code that it is to judge. */
export function sees({ xmin, xmax, inProgress }: Snapshot, xid: bigint): boolean {
  return xid < xmin || (xid < xmax && !inProgress.has(xid));
}

export function placeOf(target: Target, table: SimTable, unit: string): string {
  const { mapping } = target.rows.layout;
  const mapped = mapping.tables.find(({ source }) => tableText(source) === `public.${table.name}`);
  if (mapped === undefined) throw new RangeError(`${table.name} does not move`);
  return target.rows.place(table, targetOf(mapping, mapped, unit).schema, unit);
}
