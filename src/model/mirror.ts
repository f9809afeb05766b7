/**
 * The **mirror** of a migration carries home what a switched tenant's application writes at the target: the same engine with source and target
 * exchanged, and a slot, a publication, a topic, a consumer group and state tables of its own, these at the side that it writes to.
 */

const SUFFIX = ".reverse";

/** A name that no migration file can give, and whose slot, topic and subjects are told from every migration's by the dot. */
export function mirrorName(migration: string): string {
  return migration + SUFFIX;
}

export function isMirror(migration: string): boolean {
  return migration.endsWith(SUFFIX);
}

/** The migration that a mirror is of. */
export function migrationOf(mirror: string): string {
  return mirror.slice(0, -SUFFIX.length);
}
