/** The keys of the target's store, and what they hold: the rows of schemas/state as far as the simulation needs them. */

import type { Snapshot } from "../../src/model/snapshot.ts";
import type { StoreTransaction } from "./store.ts";

export type LaneRow = {
  readonly partition: number;
  readonly lane: string;
  readonly next: bigint;
  readonly lsn: bigint;
  readonly ordinal: bigint;
  readonly membership: bigint;
};

export type TenantRow = {
  readonly tenant: string;
  readonly kind: string;
  readonly partition: number;
  readonly phase: string;
  readonly wave: number | undefined;
  readonly lane: string | undefined;
  readonly start: bigint | undefined;
  readonly firstEpoch: number | undefined;
  readonly settle: bigint;
  readonly settled: boolean;
  readonly reread: bigint;
  readonly stopped: { readonly lsn: bigint; readonly ordinal: bigint; readonly code: string } | undefined;
};

export type WaveRow = {
  readonly wave: number;
  readonly firstEpoch: number | undefined;
  readonly chunks: readonly Chunk[] | undefined;
};
/** Rows of one unit in one table whose place at the source is in one half of it. */
export type Chunk = { readonly unit: string; readonly table: string; readonly half: number; readonly done: boolean };
export type EpochRow = { readonly epoch: number; readonly wave: number; readonly text: string; readonly snapshot: Snapshot };
export type NoteRow = { readonly lsn: bigint; readonly ceiling: bigint; readonly offsets: readonly bigint[] };

export const laneKey = (partition: number | string, lane: string) => `lane ${partition} ${lane}`;
export const tenantKey = (tenant: string) => `tenant ${tenant}`;
export const waveKey = (wave: number) => `wave ${wave}`;
export const epochKey = (epoch: number) => `epoch ${epoch}`;
export const NOTES = "notes";

export const lanes = (transaction: StoreTransaction): LaneRow[] => transaction.all("lane ");
export const tenants = (transaction: StoreTransaction): TenantRow[] => transaction.all("tenant ");
export const waves = (transaction: StoreTransaction): WaveRow[] => transaction.all("wave ");
export const epochs = (transaction: StoreTransaction): EpochRow[] => transaction.all("epoch ");
