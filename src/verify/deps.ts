import type { SecretColumns } from "../evidence/index.ts";
import type { Mapping, TableMapping } from "../model/mapping.ts";
import type { Lsn } from "../model/position.ts";
import type { Database } from "../ports.ts";

/** `stalled`: the tenant's lane stands still, or nothing applies at all. */
export type Applied = "passed" | "stalled";

export type VerifyDeps = {
  readonly migration: string;
  readonly mapping: Mapping;
  readonly source: Database;
  readonly target: Database;
  /** Columns whose values are not shown. Left out: none. */
  readonly secrets?: SecretColumns;
  /** Waits, for a bounded time, until all that the source had committed at `lsn` is applied for the tenant. Default: by rehouse.lane. */
  readonly waitForApplied?: (tenant: string, lsn: Lsn, signal: AbortSignal) => Promise<Applied>;
};

export type VerifyRequest = {
  /** Left out: every tenant of the migration. */
  readonly tenants?: readonly string[] | undefined;
  /** Have what differs repaired, on behalf of this person (`user@host`). Left out: only compare. */
  readonly repairFor?: string | undefined;
  readonly onProgress?: ((progress: VerifyProgress) => void) | undefined;
  /** Rows that changed at every look, which the document only counts. Their keys are texts of TableMapping.key. */
  readonly onUnsettled?: ((rows: UnsettledRows) => void) | undefined;
};

export type UnsettledRows = { readonly table: TableMapping; readonly keys: readonly (readonly (string | null)[])[] };

/** Where the comparison is. Tables are read for all tenants at once. */
export type VerifyProgress = {
  /** The tenant, or how many at once. */
  tenant: string;
  /** schema.table at the source, or "rows in flight" once every table was read. */
  table: string;
  rowsCompared: number;
  rowsEstimated: number;
};
