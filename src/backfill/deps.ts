import type { ServerFacts } from "../compare/index.ts";
import type { Logger } from "../log.ts";
import type { Mapping } from "../model/mapping.ts";
import type { Database } from "../ports.ts";
import type { Pace } from "../throttle/index.ts";

export type BackfillDeps = {
  readonly migration: string;
  readonly mapping: Mapping;
  readonly source: Database;
  readonly target: Database;
  readonly log: Logger;
  /** Chunks copied at the same time by this process; other processes may copy more. */
  readonly workers?: number;
  /** Whether each chunk is compared before it commits (default), or left to the reconciler. */
  readonly compare?: boolean;
  /**
   * Builds the primary and unique keys of the wave's target tables, where they are not there yet. Called before a second epoch of a
   * wave, when no chunk is under way.
   */
  readonly ensureKeys: (wave: number, signal: AbortSignal) => Promise<void>;
  /** Asked between chunks. */
  readonly paused?: () => boolean | Promise<boolean>;
  /** How much of the time chunks are copied; full speed where it is left out. */
  readonly pace?: Pace;
  readonly tuning?: Partial<Tuning>;
};

export type Tuning = {
  /** Rows and bytes (estimated, as stored) of a range chunk. */
  readonly rowsPerChunk: number;
  readonly bytesPerChunk: number;
  /** How long a chunk is to take: a range is cut where it would take longer, and where nobody knows yet how long. */
  readonly chunkMs: number;
  /** After this time a wave goes on under a new snapshot, so that vacuum on the source is not held back for ever. */
  readonly epochAgeMs: number;
  /** How long to wait for the source's table locks, and for a snapshot that sees what it has to see. */
  readonly epochWaitMs: number;
  readonly pollMs: number;
};

/** 75,000 rows or 16 MB: a fraction of a second, so that a stop or a crash costs little and the statements around a COPY cost less. */
export const DEFAULT_TUNING: Tuning = {
  rowsPerChunk: 75_000,
  bytesPerChunk: 16 * 1024 * 1024,
  chunkMs: 500,
  epochAgeMs: 30 * 60_000,
  epochWaitMs: 60_000,
  pollMs: 300,
};

/** What every part of the stage works with: the dependencies with their defaults, and what the servers said. */
export type Context = {
  readonly migration: string;
  readonly mapping: Mapping;
  readonly source: Database;
  readonly target: Database;
  readonly log: Logger;
  readonly compare: boolean;
  readonly ensureKeys: (wave: number, signal: AbortSignal) => Promise<void>;
  readonly pace: Pace;
  readonly tuning: Tuning;
  readonly facts: ServerFacts;
};
