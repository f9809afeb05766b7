import type { MigrationInput } from "./schema.ts";

/** For `rehouse.config.ts`: gives the migration back as it is, and the editor its types. */
export function defineMigration(migration: MigrationInput): MigrationInput {
  return migration;
}
