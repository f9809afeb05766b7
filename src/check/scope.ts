import type { MigrationFile } from "../file/index.ts";
import type { ChangesTopic, Database, SchemaRegistry } from "../ports.ts";

export type CheckDeps = {
  readonly file: MigrationFile;
  readonly source: Database;
  readonly target: Database;
  readonly topic: ChangesTopic;
  readonly registry: SchemaRegistry;
};

export type Scope = CheckDeps & {
  readonly signal: AbortSignal;
  /** The migration has begun: slot, publication and topic of its name are its own. */
  readonly begun: boolean;
};
