/** What `rehouse verify --json` prints (INTERFACE.md). */

import type { ErrorCode } from "../errors.ts";
import type { ForeignWrite } from "../foreign/index.ts";
import type { Direction } from "../model/direction.ts";

export type VerifyDocument = {
  formatVersion: 1;
  /** Every row of every tenant asked for was compared, and is the same on both sides, at the latest after its repair. */
  equal: boolean;
  tenants: VerifiedTenant[];
};

export type VerifiedTenant = {
  tenant: string;
  phase: string;
  /** `reverse`: it has been switched, so the target holds the truth; what is said of the source below is the target's, and the other way round. */
  direction?: Direction;
  /** Empty for a tenant whose phase says that it is not at the target yet, or no longer at the source. */
  tables: VerifiedTable[];
};

/** At the latest after its repair. */
export function isEqual({ tables }: VerifiedTenant): boolean {
  return tables.every(
    (table) => table.differences.every(({ repaired }) => repaired) && table.unsettled === 0 && table.omitted === 0,
  );
}

export type VerifiedTable = {
  /** schema.table at the source. */
  table: string;
  /** At the source when it was first looked at. */
  rows: number;
  /** Sum of the hashes of these rows. Both sides have the same one where nothing was written meanwhile. */
  hash: string;
  /** The source's WAL position before the first look: what was committed by then was compared. */
  position: string;
  at: string;
  differences: Difference[];
  /** Differing rows that changed at every look, so that nothing can be said about them. */
  unsettled: number;
  /** Of a repair: why rows that are listed were not repaired, and what to do about it. */
  unrepaired: Unrepaired[];
  /** Further differing rows that are not listed: no more than {@link MOST_DIFFERENCES} a table are looked at one by one. */
  omitted: number;
};

export type Unrepaired = { code: ErrorCode; what: string; fix: string };

export const MOST_DIFFERENCES = 1000;

/** `missing`: not at the target; `extra`: only there; `different`: some of its columns. */
export type DifferenceKind = "missing" | "extra" | "different";

/** Column of the target → its text there, or at the source through the mapping. */
export type Image = Record<string, string | null>;

export type Difference = {
  /** Names the row in rehouse.difference for as long as it differs. */
  id: string;
  key: Image;
  kind: DifferenceKind;
  /** The columns that differ; none where the row is on one side only. */
  columns: string[];
  /** Null where the row is not there. Long values are cut off, those of secret columns are salted hashes. */
  source: Image | null;
  target: Image | null;
  /** False: nothing is being applied now, so that the row may be in flight. */
  settled: boolean;
  /** The newest write to the row by somebody else, where it was noted. */
  foreignWrite: ForeignWrite | null;
  /** The row was read again from the side that holds the truth, and was equal when it was looked at after that. */
  repaired: boolean;
};
