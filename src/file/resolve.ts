import { createHash } from "node:crypto";
import type {
  KafkaSettings,
  LayoutSpec,
  MigrationFile,
  ReconcileSettings,
  RegistrySettings,
  RollbackSettings,
  ServerAddress,
  SoakCriterion,
  TableSpec,
  TenantsSpec,
  TlsSettings,
} from "./migration-file.ts";
import { parseColumnName, parseTableName } from "./names.ts";
import { TENANT_PLACEHOLDER } from "./place.ts";
import { resolveThrottle } from "./resolve-throttle.ts";
import type { ParsedMigration } from "./schema.ts";
import type { CriterionInput } from "./schema-rollback.ts";
import type { TableInput } from "./schema-tables.ts";

const DEFAULT_SCHEMA = "public";
const DEFAULT_PARTITIONS = 8;
/** A twentieth of its time: 1,000 transactions a second on the same two cores do not feel it (bench verify, variant `traffic`). */
const DEFAULT_RECONCILE: ReconcileSettings = { pace: 0.05, everyMs: 600_000, everyChangedMs: 10_000 };

const DEFAULT_SOAK_MS = 72 * 3_600_000;

/** Fills in defaults and takes names apart. The file has passed the schema and the checks; a PEM path is already PEM text. */
export function resolve(file: ParsedMigration): MigrationFile {
  const tenants = resolveTenants(file.tenants);
  const layout = resolveLayout(file.layout);
  const tables = Object.entries(file.tables).map(([name, table]) => resolveTable(name, table, tenants, layout));
  return {
    name: file.migration,
    source: {
      ...resolveServer(file.source),
      failoverSlot: typeof file.source === "object" && file.source.failoverSlot === true,
    },
    target: resolveServer(file.target),
    kafka: resolveKafka(file.kafka),
    registry: resolveRegistry(file.registry),
    tenants,
    layout,
    tables,
    foreignWrites: file.foreignWrites ?? "alert",
    reconcile: resolveReconcile(file.reconcile),
    throttle: resolveThrottle(file.throttle),
    route: { webhook: file.route?.webhook },
    rollback: resolveRollback(file.rollback),
    digest: digestOf(file.migration, tenants, layout, tables),
  };
}

export function resolveTenants(tenants: ParsedMigration["tenants"]): TenantsSpec | undefined {
  if (tenants === undefined) return undefined;
  return { column: tenants.column, move: resolveMove(tenants.move), null: tenants.null ?? "leave" };
}

function resolveMove(move: NonNullable<ParsedMigration["tenants"]>["move"]): TenantsSpec["move"] {
  if (move === "all") return { kind: "all" };
  return Array.isArray(move) ? { kind: "list", ids: move } : { kind: "query", sql: move.query };
}

export function resolveLayout(layout: ParsedMigration["layout"]): LayoutSpec {
  return { schema: layout?.schema, tenantColumn: layout?.tenantColumn ?? "keep" };
}

export function resolveTable(name: string, table: TableInput, tenants: TenantsSpec | undefined, layout: LayoutSpec): TableSpec {
  const source = parseTableName(name);
  const to = typeof table.to === "string" ? parseTableName(table.to) : undefined;
  const shared = table.shared ?? false;
  const sourceName = { schema: source?.schema ?? DEFAULT_SCHEMA, table: source?.table ?? name };
  // A shared table has no tenant to put into the layout's schema: it keeps the schema that it comes from.
  const sharedSchema = shared && layout.schema?.includes(TENANT_PLACEHOLDER) ? sourceName.schema : undefined;
  return {
    source: sourceName,
    tenantColumn: tenants === undefined || shared ? undefined : typeof table.tenant === "string" ? table.tenant : tenants.column,
    shared,
    to: { schema: to?.schema ?? sharedSchema, table: to?.table ?? sourceName.table },
    columns: new Map(
      Object.entries(table.columns ?? {}).map(([column, expression]) => [parseColumnName(column) ?? column, expression]),
    ),
    reverse: new Map(
      Object.entries(table.reverse ?? {}).map(([column, expression]) => [parseColumnName(column) ?? column, expression]),
    ),
    secret: table.secret ?? [],
  };
}

function resolveReconcile(reconcile: ParsedMigration["reconcile"]): ReconcileSettings {
  return {
    pace: reconcile?.pace ?? DEFAULT_RECONCILE.pace,
    everyMs: reconcile?.every ?? DEFAULT_RECONCILE.everyMs,
    everyChangedMs: reconcile?.everyChanged ?? DEFAULT_RECONCILE.everyChangedMs,
  };
}

function resolveRollback(rollback: ParsedMigration["rollback"]): RollbackSettings {
  if (rollback === "none") return { possible: false };
  return {
    possible: true,
    soakMs: rollback?.soak ?? DEFAULT_SOAK_MS,
    when: (rollback?.when ?? ["differences", "apply-stopped"]).map(resolveCriterion),
    action: rollback?.action ?? "alert",
  };
}

function resolveCriterion(criterion: CriterionInput): SoakCriterion {
  if (typeof criterion === "string") return { kind: criterion };
  if ("lagOver" in criterion) return { kind: "lag", overMs: criterion.lagOver };
  if ("query" in criterion) return { kind: "query", on: criterion.on ?? "target", sql: criterion.query };
  return { kind: "http", url: criterion.http, fails: criterion.fails ?? 3, everyMs: criterion.every ?? 10_000 };
}

function resolveServer(server: ParsedMigration["target"]): ServerAddress {
  if (typeof server === "string") return { url: server, replicationUrl: server, tls: undefined };
  return {
    url: withPassword(server.url, server.password),
    replicationUrl: withPassword(server.replicationUrl ?? server.url, server.password),
    tls: server.tls === undefined ? undefined : resolveTls(server.tls),
  };
}

/** Encoded here, so that a password may hold any character without anybody thinking of it. */
function withPassword(url: string, password: string | undefined): string {
  if (password === undefined) return url;
  const whole = new URL(url);
  whole.password = encodeURIComponent(password);
  return whole.href;
}

type TlsInput = NonNullable<ParsedMigration["kafka"]["ssl"]>;

function resolveTls(tls: TlsInput): TlsSettings | false {
  if (tls === false) return false;
  if (tls === true) return { rejectUnauthorized: true };
  return {
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
    ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
    rejectUnauthorized: tls.verify ?? true,
  };
}

function resolveKafka(kafka: ParsedMigration["kafka"]): KafkaSettings {
  const ssl = kafka.ssl === undefined ? undefined : resolveTls(kafka.ssl);
  return {
    brokers: kafka.brokers,
    ssl: ssl === false ? undefined : ssl,
    sasl: kafka.sasl,
    partitions: kafka.partitions ?? DEFAULT_PARTITIONS,
    replicationFactor: kafka.replicationFactor,
    retentionMs: kafka.retention,
  };
}

function resolveRegistry({ url, auth, tls }: ParsedMigration["registry"]): RegistrySettings {
  const settings = tls === undefined ? undefined : resolveTls(tls);
  return { url, auth, tls: settings === false ? undefined : settings };
}

/** The order in which tables, columns and tenants are written decides nothing, so it does not change the digest. */
function digestOf(name: string, tenants: TenantsSpec | undefined, layout: LayoutSpec, tables: readonly TableSpec[]): string {
  const move = tenants?.move.kind === "list" ? { kind: "list", ids: tenants.move.ids.toSorted() } : tenants?.move;
  const decided = {
    name,
    tenants: tenants === undefined ? null : [tenants.column, move],
    layout: [layout.schema ?? null, layout.tenantColumn],
    tables: tables
      .map((table) => [
        table.source.schema,
        table.source.table,
        table.tenantColumn ?? null,
        table.shared,
        table.to.schema ?? null,
        table.to.table,
        [...table.columns].toSorted(([a], [b]) => (a < b ? -1 : 1)),
        // Left out where it is empty: the digest of a file without one is what it was before there was a way back.
        ...(table.reverse.size === 0 ? [] : [[...table.reverse].toSorted(([a], [b]) => (a < b ? -1 : 1))]),
      ])
      .map((parts) => JSON.stringify(parts))
      .toSorted(),
  };
  return createHash("sha256").update(JSON.stringify(decided)).digest("hex");
}
