/** Where a fault strikes. `starting`: from the first moment of `run` on. */
export const PHASES = ["starting", "backfilling", "catching-up", "in-sync"] as const;
export type Phase = (typeof PHASES)[number];
