import type { SecretColumns } from "../evidence/index.ts";
import type { ReconcileSettings } from "../file/index.ts";
import type { Logger } from "../log.ts";
import type { Direction } from "../model/direction.ts";
import type { Mapping } from "../model/mapping.ts";
import type { Database } from "../ports.ts";
import type { Pace } from "../throttle/index.ts";
import type { VerifyDeps } from "../verify/index.ts";

export type ReconcileDeps = {
  readonly migration: string;
  /** Which side holds the truth. The way back is not there yet. */
  readonly direction: Extract<Direction, "forward">;
  readonly mapping: Mapping;
  readonly source: Database;
  readonly target: Database;
  readonly secrets: SecretColumns;
  readonly settings: ReconcileSettings;
  /** As in {@link VerifyDeps}. */
  readonly waitForApplied?: VerifyDeps["waitForApplied"];
  /** The operator's hand on it. */
  readonly paused?: () => boolean;
  /** Of the settings' pace; full speed where it is left out. */
  readonly pace?: Pace;
  readonly log: Logger;
  readonly tuning?: Partial<Tuning>;
};

export type Tuning = {
  readonly rowsPerRange: number;
  /** No statement on rows lasts longer, and each is a transaction of its own: vacuum is held back for no longer than this. */
  readonly statementMs: number;
  readonly leaseMs: number;
  /** How long the lane of rows in flight is waited for before the range is put back. */
  readonly laneMs: number;
  /** How often it looks whether there is something to compare. */
  readonly pollMs: number;
};

/** 20,000 rows: some tens of milliseconds on each side, so that a pause between two ranges is soon over. */
export const DEFAULT_TUNING: Tuning = {
  rowsPerRange: 20_000,
  statementMs: 30_000,
  leaseMs: 120_000,
  laneMs: 20_000,
  pollMs: 500,
};
