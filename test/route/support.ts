import { createDatabase } from "../../connectors/postgres/database.ts";
import { installState } from "../../src/control/install.ts";
import { packageVersion, stateSql } from "../../src/package.ts";
import type { Database } from "../../src/ports.ts";
import { freshDatabases } from "../support/index.ts";

/** A database with the state tables, and a migration named after it. */
export type Routes = AsyncDisposable & { readonly migration: string; readonly target: Database; readonly url: string };

export async function freshRoutes(): Promise<Routes> {
  const databases = await freshDatabases();
  const target = createDatabase({ url: databases.targetUrl });
  await installState(target, stateSql());
  const migration = databases.name.replaceAll("_", "-");
  await target.query("INSERT INTO rehouse.migration (name, digest, partitions, version) VALUES ($1, '', 1, $2)", [
    migration,
    packageVersion(),
  ]);
  return {
    migration,
    target,
    url: databases.targetUrl,
    async [Symbol.asyncDispose]() {
      await target.close();
      await databases.drop();
    },
  };
}
