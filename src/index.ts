/** What `import ... from "rehouse"` gives: the typed migration file for `rehouse.config.ts`. */

export { defineMigration, type MigrationInput } from "./file/index.ts";
