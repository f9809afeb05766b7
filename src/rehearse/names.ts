/** What a rehearsal is called: its migration, and the databases that hold the copy. Pure. */

import { createHash } from "node:crypto";

/** A migration's name has 40 characters at most, and a database's 63. */
const LONGEST = 30;
const HASH_LENGTH = 8;

export function rehearsalName(migration: string): string {
  return `${short(migration)}-rehearsal`;
}

export function scratchDatabase(migration: string, side: "source" | "target"): string {
  return `rehouse_rehearsal_${short(migration).replaceAll("-", "_")}_${side}`;
}

/** Two long names with the same beginning stay two names. */
function short(migration: string): string {
  if (migration.length <= LONGEST) return migration;
  const hash = createHash("sha256").update(migration).digest("hex").slice(0, HASH_LENGTH);
  return `${migration.slice(0, LONGEST - HASH_LENGTH - 1)}-${hash}`;
}
