import type { EngineDeps } from "../systems.ts";

export type LockLimits = { readonly fence: number; readonly other: number };

export type DoctorDeps = Pick<EngineDeps, "file" | "systems" | "mirror"> & {
  /** For tests: when a lock or a transaction counts as old. */
  readonly limits?: { readonly locks: LockLimits; readonly transactionMs: number };
};
