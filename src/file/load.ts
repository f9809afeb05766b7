import type { Environment } from "./interpolate.ts";
import type { MigrationFile } from "./migration-file.ts";

export async function loadMigrationFile(_path: string | undefined, _env: Environment): Promise<MigrationFile> {
  throw new Error("soon");
}
