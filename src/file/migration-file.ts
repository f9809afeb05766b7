/** What the rest of Rehouse knows of a migration file: defaults filled in, names taken apart, nothing left to look up. */

/** Has the names of node:tls, so that it can be given to it as it is. */
export type TlsSettings = { ca?: string; cert?: string; key?: string; servername?: string; rejectUnauthorized: boolean };

export type ServerAddress = {
  url: string;
  /** For the replication connection and sessions that must be one's own; `url` may lead through a pooler. */
  replicationUrl: string;
  /** Undefined: what the URL says. False: none, whatever the URL says. */
  tls: TlsSettings | false | undefined;
};

/** `failoverSlot`: whether standbys are to have a copy of the slot. */
export type SourceAddress = ServerAddress & { failoverSlot: boolean };

export type SaslSettings = { mechanism: "plain" | "scram-sha-256" | "scram-sha-512"; username: string; password: string };

export type KafkaSettings = {
  brokers: string[];
  ssl: TlsSettings | undefined;
  sasl: SaslSettings | undefined;
  partitions: number;
  /** Undefined: the broker's default. */
  replicationFactor: number | undefined;
  /** Milliseconds; -1 for ever; undefined: the broker's default. */
  retentionMs: number | undefined;
};

export type RegistryAuth = { username: string; password: string } | { token: string };

/** `tls` undefined: what the URL says, against the system's authorities. */
export type RegistrySettings = { url: string; auth: RegistryAuth | undefined; tls: TlsSettings | undefined };

export type TenantsSpec = {
  column: string;
  move: { kind: "list"; ids: string[] } | { kind: "all" } | { kind: "query"; sql: string };
  /** What becomes of rows whose tenant is NULL. */
  null: "leave" | "refuse";
};

export type TableSpec = {
  source: { schema: string; table: string };
  /** Column of this table that holds the tenant; undefined when shared, or in a move without tenants. */
  tenantColumn: string | undefined;
  shared: boolean;
  /** `schema` undefined: the layout's, see `targetTable`. */
  to: { schema: string | undefined; table: string };
  /** As written: target column to expression, or source column to false. */
  columns: Map<string, string | false>;
  /** As written: source column to an expression over the target row, for the way back. */
  reverse: Map<string, string>;
  /** Columns of the source or of the target whose values are shown to nobody. */
  secret: readonly string[];
};

/** What happens about a row that somebody else writes at the target while its tenant is on its way; it is noted in any case. */
export type ForeignWritesPolicy = "alert" | "stop" | "overwrite";

export type ReconcileSettings = {
  /** The part of its time, above 0 and at most 1, in which a reconciling process works. */
  pace: number;
  /** How long a unit rests after a comparison: one that nothing has changed, and one that has changed since. */
  everyMs: number;
  everyChangedMs: number;
};

/** Posted to with each change of a tenant's home; `secret` signs it. */
export type WebhookSettings = { url: string; secret: string };

export type RouteSettings = { webhook: WebhookSettings | undefined };

/** What must not be while a tenant soaks. */
export type SoakCriterion =
  /** A row of the old home differs. */
  | { kind: "differences" }
  /** A change cannot be applied at the old home. */
  | { kind: "apply-stopped" }
  | { kind: "lag"; overMs: number }
  /** Holds when the first column of the first row is true; `$1` in it is the tenant. */
  | { kind: "query"; on: "source" | "target"; sql: string }
  /** `{tenant}` in the URL is the tenant. */
  | { kind: "http"; url: string; fails: number; everyMs: number };

export type SoakSettings = {
  /** How long a switched tenant is watched. */
  soakMs: number;
  when: readonly SoakCriterion[];
  action: "alert" | "rollback";
};

/** Whether a tenant can be switched back. Where not, nothing is asked of the mapping and of the servers that only the way back needs. */
export type RollbackSettings = { possible: false } | ({ possible: true } & SoakSettings);

/** Where a signal slows the move, and where it pauses it; undefined: nowhere. */
export type ThrottleLimit = { readonly slow: number | undefined; readonly pause: number | undefined };

/** Times are milliseconds, sizes bytes, `connections` is a share. */
export type ThrottleLimits = Readonly<
  Record<
    | "latency"
    | "latencyTimes"
    | "connections"
    | "activeConnections"
    | "lockWaits"
    | "replicaLag"
    | "replicaLagMb"
    | "slotLagMb"
    | "slotRoomMb"
    | "applyLag"
    | "walMbPerSecond"
    | "checkpointsPerMinute"
    | "oldestSnapshot",
    ThrottleLimit
  >
>;

export type ThrottleCheck =
  /** Its value is the first column of the first row, true being 1. */
  | { readonly kind: "query"; readonly on: "source" | "target"; readonly sql: string; readonly limit: ThrottleLimit }
  | { readonly kind: "http"; readonly url: string };

export type ThrottleWindow = {
  readonly days: readonly ("sun" | "mon" | "tue" | "wed" | "thu" | "fri" | "sat")[];
  readonly fromMinute: number;
  readonly toMinute: number;
  readonly timezone: string;
  readonly pace: number;
};

export type ThrottleSettings = {
  /** The highest at any time. */
  readonly pace: number;
  readonly windows: readonly ThrottleWindow[];
  readonly chunkMs: number;
  /** Backfills at full pace that one server is to bear, over all migrations. */
  readonly budget: number;
  readonly limits: ThrottleLimits;
  readonly checks: readonly ThrottleCheck[];
};

export type LayoutSpec = {
  /** Template with `{tenant}`; undefined: the schema that a table comes from. */
  schema: string | undefined;
  tenantColumn: "keep" | "drop";
};

export type MigrationFile = {
  name: string;
  source: SourceAddress;
  target: ServerAddress;
  kafka: KafkaSettings;
  registry: RegistrySettings;
  tenants: TenantsSpec | undefined;
  layout: LayoutSpec;
  tables: TableSpec[];
  foreignWrites: ForeignWritesPolicy;
  reconcile: ReconcileSettings;
  throttle: ThrottleSettings;
  route: RouteSettings;
  rollback: RollbackSettings;
  /** SHA-256 in hex over everything that decides what goes where; neither addresses nor secrets are in it. */
  digest: string;
};
