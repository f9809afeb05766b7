/** The process of a role, as seen from within. */

/** Set for the processes of roles: they end when the channel to their supervisor closes. */
export const SUPERVISED = "REHOUSE_SUPERVISED";

/** As long as a supervisor gives it. */
const END_WITHIN_MS = 15_000;

/**
 * A role's process ends with its supervisor, however that ends, and also where that was before this process listened. Nobody is there to kill one
 * that hangs, and it may hold what its successor needs, so it ends itself.
 */
export function withSupervisor(signal: AbortSignal): AbortSignal {
  if (process.env[SUPERVISED] === undefined) return signal;
  const gone = new AbortController();
  const leave = () => {
    gone.abort();
    setTimeout(() => process.exit(1), END_WITHIN_MS).unref();
  };
  if (process.connected) process.once("disconnect", leave);
  else leave();
  // A role whose work is done ends: that somebody listens to the channel is not to keep its process alive.
  process.channel?.unref();
  return AbortSignal.any([signal, gone.signal]);
}
