export { defineMigration } from "./define.ts";
export { type Environment, interpolate } from "./interpolate.ts";
export { findMigrationFile, loadMigrationFile } from "./load.ts";
export type {
  ForeignWritesPolicy,
  KafkaSettings,
  LayoutSpec,
  MigrationFile,
  ReconcileSettings,
  RegistryAuth,
  RegistrySettings,
  RollbackSettings,
  RouteSettings,
  SaslSettings,
  ServerAddress,
  SoakCriterion,
  SoakSettings,
  TableSpec,
  TenantsSpec,
  ThrottleCheck,
  ThrottleLimit,
  ThrottleLimits,
  ThrottleSettings,
  ThrottleWindow,
  TlsSettings,
  WebhookSettings,
} from "./migration-file.ts";
export { MigrationFileError, type Mistake } from "./mistakes.ts";
export { formatTableName, isIdentifier } from "./names.ts";
export { schemaFor, schemaObjection, TENANT_PLACEHOLDER, targetTable, WHOLE } from "./place.ts";
export type { MigrationInput } from "./schema.ts";
