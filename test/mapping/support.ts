import { createDatabase } from "../../connectors/postgres/database.ts";
import type { MigrationFile, TableSpec } from "../../src/file/index.ts";
import { resolveThrottle } from "../../src/file/resolve-throttle.ts";
import { stateSql } from "../../src/package.ts";
import type { Database } from "../../src/ports.ts";
import { freshDatabases } from "../support/index.ts";

type TableInput = {
  tenant?: string;
  shared?: boolean;
  to?: { schema?: string; table: string };
  columns?: Record<string, string | false>;
  reverse?: Record<string, string>;
  secret?: readonly string[];
};

/** A migration file as it is after loading; `tables` by name in schema public. */
export function migrationFile(
  tables: Record<string, TableInput>,
  more: Partial<Pick<MigrationFile, "tenants" | "layout" | "name">> & { rollback?: boolean } = {},
): MigrationFile {
  const server = { url: "postgres://localhost", replicationUrl: "postgres://localhost", tls: undefined };
  const tenants =
    "tenants" in more
      ? more.tenants
      : { column: "tenant_id", move: { kind: "list" as const, ids: ["1", "2"] }, null: "leave" as const };
  return {
    name: more.name ?? "a-move",
    source: { ...server, failoverSlot: false },
    target: server,
    kafka: {
      brokers: ["localhost:9092"],
      ssl: undefined,
      sasl: undefined,
      partitions: 4,
      replicationFactor: undefined,
      retentionMs: undefined,
    },
    registry: { url: "http://localhost:8081", auth: undefined, tls: undefined },
    tenants,
    layout: more.layout ?? { schema: "tenant_{tenant}", tenantColumn: "drop" },
    tables: Object.entries(tables).map(
      ([table, given]): TableSpec => ({
        source: { schema: "public", table },
        tenantColumn: given.shared === true || tenants === undefined ? undefined : (given.tenant ?? tenants.column),
        shared: given.shared ?? false,
        to: { schema: given.to?.schema ?? (given.shared === true ? "public" : undefined), table: given.to?.table ?? table },
        columns: new Map(Object.entries(given.columns ?? {})),
        reverse: new Map(Object.entries(given.reverse ?? {})),
        secret: given.secret ?? [],
      }),
    ),
    foreignWrites: "alert",
    route: { webhook: undefined },
    reconcile: { pace: 1, everyMs: 0, everyChangedMs: 0 },
    throttle: resolveThrottle(undefined),
    rollback: more.rollback === false ? { possible: false } : { possible: true, soakMs: 0, when: [], action: "alert" },
    digest: "",
  };
}

export type Pair = AsyncDisposable & {
  readonly source: Database;
  readonly target: Database;
  readonly sourceUrl: string;
  readonly targetUrl: string;
};

/** Two databases, or one that is both: the source with the given schema, the target with the state tables. */
export async function freshPair(sourceSchema: string, { inOneDatabase = false } = {}): Promise<Pair> {
  const databases = await freshDatabases();
  const source = createDatabase({ url: databases.sourceUrl });
  const targetUrl = inOneDatabase ? databases.sourceUrl : databases.targetUrl;
  const target = createDatabase({ url: targetUrl });
  await run(source, sourceSchema);
  await run(target, stateSql());
  return {
    source,
    target,
    sourceUrl: databases.sourceUrl,
    targetUrl,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([source.close(), target.close()]);
      await databases.drop();
    },
  };
}

/** Several statements, with names as an application has them. */
export async function run(database: Database, sql: string): Promise<void> {
  await database.transaction(async (session) => {
    await session.query("SET LOCAL search_path = public, pg_catalog");
    await session.query(sql);
  });
}
