/** What belongs to no migration, and what `cancel` does with it. */

import { findOrphans, type Places, type Seen } from "../orphans/index.ts";
import { bytes, type DoctorFinding, error, warning } from "./finding.ts";

export function orphanFindings(places: Places, seen: Seen): DoctorFinding[] {
  return findOrphans(places, seen).map(({ kind, place, name, holdsBytes }) => {
    const what = holdsBytes === undefined ? name : `${name}, which holds ${bytes(holdsBytes)} of WAL`;
    // These cost something, or stand in somebody's way; the others only lie about.
    const isHarmful = kind === "slot" || kind === "fence" || kind === "watch" || kind === "mirror";
    const fix = seen.target?.state === undefined ? "rehouse cancel" : fixWhileAlive(kind);
    return (isHarmful ? error : warning)(`${kind}-orphaned`, place, `${what} belongs to no migration`, fix);
  });
}

/** The migration itself lives: cancelling it would be too much. */
function fixWhileAlive(kind: string): string {
  return kind === "fence"
    ? "rehouse contract or rehouse rollback of the tenant takes it away; at the end of all rehouse cancel does"
    : "it goes with the migration: rehouse cancel";
}
