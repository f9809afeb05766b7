import { Kafka, logLevel } from "kafkajs";
import { createKafka } from "../../connectors/kafka/client.ts";
import { createChangesProducer } from "../../connectors/kafka/producer.ts";
import { createTailReader } from "../../connectors/kafka/tail.ts";
import { createChangesTopic } from "../../connectors/kafka/topic.ts";
import { createDatabase } from "../../connectors/postgres/database.ts";
import { createReplicationStream, createSlotMaker } from "../../connectors/postgres/replication.ts";
import { createSchemaRegistry } from "../../connectors/registry/registry.ts";
import {
  type CaptureDeps,
  type ProvisionDeps,
  provision,
  runCapture,
  slotName,
  topicPartitions,
} from "../../src/capture/index.ts";
import {
  changesTopicName,
  isTxLast,
  RowReader,
  readPosition,
  readTable,
  readTenant,
  readUnavailable,
  readValueSchema,
  schemaIdOf,
  type ValueSchema,
} from "../../src/envelope/index.ts";
import { createLogger } from "../../src/log.ts";
import type { Mapping, TableKind, TableMapping } from "../../src/model/mapping.ts";
import { formatPosition, type Position } from "../../src/model/position.ts";
import { stateSql } from "../../src/package.ts";
import type { SchemaRegistry } from "../../src/ports.ts";
import { addresses, freshDatabases, Sql, waitUntil } from "../support/index.ts";

const PARTITIONS = 3;

export type Change = {
  readonly partition: number;
  readonly offset: bigint;
  readonly position: Position;
  /** The same as text. */
  readonly at: string;
  readonly op: string;
  readonly xid: number;
  readonly tenant: string | undefined;
  readonly table: string | undefined;
  readonly txLast: boolean;
  readonly unavailable: readonly string[];
  readonly before: Readonly<Record<string, string | null>> | null;
  readonly after: Readonly<Record<string, string | null>> | null;
  readonly types: Readonly<Record<string, string>>;
};

export type Running = { readonly ended: Promise<void>; stop(): Promise<void> };

/** A migration as capture sees it: two databases, a slot, a topic, and no other stage. */
export type Lab = AsyncDisposable & {
  readonly migration: string;
  readonly source: Sql;
  readonly target: Sql;
  readonly deps: CaptureDeps;
  readonly provisioning: ProvisionDeps;
  /** Runs capture until stopped; `ended` rejects when it fails. */
  start(deps?: Partial<CaptureDeps>): Running;
  /** Until a capture reads the slot. */
  reading(): Promise<void>;
  /** Until the slot has confirmed everything written so far. */
  caughtUp(): Promise<void>;
  /** The whole topic, in offset order; without heartbeats unless asked for. */
  changes(of?: { readonly beats: boolean }): Promise<Change[]>;
};

export async function captureLab(
  sql: string,
  tables: readonly { table: string; key: readonly string[]; kind?: TableKind; tenant?: string }[],
  of: { tenants?: readonly string[] } = {},
): Promise<Lab> {
  const databases = await freshDatabases();
  const migration = databases.name.replaceAll("_", "-");
  const [source, target] = [new Sql(databases.sourceUrl), new Sql(databases.targetUrl)];
  await source.run(sql);
  await target.run(stateSql());
  await target.rows("INSERT INTO rehouse.migration (name, digest, partitions, version) VALUES ($1, '', $2, '0')", [
    migration,
    String(PARTITIONS),
  ]);
  for (const tenant of of.tenants ?? [])
    await target.rows("INSERT INTO rehouse.tenant (migration, tenant, kind, partition) VALUES ($1, $2, 'tenant', 0)", [
      migration,
      tenant,
    ]);

  const mapping: Mapping = {
    migration,
    tables: tables.map(tableMapping),
    schemaTemplate: undefined,
    tenantColumnAtTarget: "keep",
  };
  const log = createLogger("silent");
  const { kafkaBrokers, registryUrl } = addresses();
  const where = kafkaBrokers.join(",");
  const kafka = createKafka({ brokers: kafkaBrokers }, "test", log);
  const topic = createChangesTopic(kafka, changesTopicName(migration), where);
  await topic.ensure({ partitions: topicPartitions(mapping, PARTITIONS), replicationFactor: undefined, retentionMs: undefined });
  const registry = createSchemaRegistry({ url: registryUrl });
  const sourceDb = createDatabase({ url: databases.sourceUrl });
  const targetDb = createDatabase({ url: databases.targetUrl });
  const slot = slotName(migration);
  const deps: CaptureDeps = {
    mapping,
    version: "0.0.0",
    allTenantsMove: of.tenants === undefined,
    refusesOrphans: false,
    source: sourceDb,
    target: targetDb,
    stream: () => createReplicationStream({ url: databases.sourceUrl, slot, publication: slot }),
    topic,
    tail: createTailReader(kafka, topic, where),
    producer: () => createChangesProducer(kafka, topic.name, where),
    registry,
    log,
  };
  const running: Running[] = [];
  return {
    migration,
    source,
    target,
    deps,
    provisioning: { mapping, source: sourceDb, target: targetDb, slots: createSlotMaker({ url: databases.sourceUrl }) },
    start(other = {}) {
      const abort = new AbortController();
      const ended = runCapture({ ...deps, ...other }, abort.signal);
      // Whoever cares awaits `ended`; nobody has to.
      ended.catch(() => undefined);
      const one = {
        ended,
        stop: async () => {
          abort.abort();
          await ended.catch(() => undefined);
        },
      };
      running.push(one);
      return one;
    },
    async reading() {
      const active = () => source.value("SELECT active FROM pg_replication_slots WHERE slot_name = $1", [slot]);
      await waitUntil(async () => (await active()) === "t", { deadlineMs: 20_000, what: "a reader of the slot" });
    },
    async caughtUp() {
      const written = await source.value("SELECT pg_current_wal_insert_lsn()");
      const done = () =>
        source.value("SELECT confirmed_flush_lsn >= $2::pg_lsn FROM pg_replication_slots WHERE slot_name = $1", [slot, written]);
      await waitUntil(async () => (await done()) === "t", { deadlineMs: 45_000, what: "capture to catch up" });
    },
    changes: async ({ beats } = { beats: false }) => {
      const ends = await topic.offsets();
      const all = await read(topic.name, new Map(ends.map(({ partition, high }) => [partition, high])), registry);
      return beats ? all : all.filter((change) => change.op !== "m");
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(running.map((one) => one.stop()));
      await Promise.all([sourceDb.close(), targetDb.close(), source[Symbol.asyncDispose](), target[Symbol.asyncDispose]()]);
      await topic.delete();
      await databases.drop();
    },
  };
}

export async function provisioned(lab: Lab): Promise<Lab> {
  await provision(lab.provisioning, new AbortController().signal);
  return lab;
}

function tableMapping({
  table,
  key,
  kind = "tenant",
  tenant = "tenant",
}: {
  table: string;
  key: readonly string[];
  kind?: TableKind;
  tenant?: string;
}): TableMapping {
  return {
    source: { schema: "public", table },
    kind,
    tenantColumn: kind === "tenant" ? tenant : undefined,
    fixed: undefined,
    sourceColumns: [],
    key,
    targetKey: key,
    sourceKey: key,
    targetTable: table,
    targetSchema: undefined,
    columns: [],
    initial: [],
  };
}

/** Everything before `ends`, and perhaps more: beats arrive meanwhile, and those of one partition say nothing about another. */
async function read(topic: string, ends: ReadonlyMap<number, bigint>, registry: SchemaRegistry): Promise<Change[]> {
  const missing = new Map([...ends].filter(([, end]) => end > 0n));
  if (missing.size === 0) return [];
  const kafka = new Kafka({ brokers: addresses().kafkaBrokers, logLevel: logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId: `${topic}.test-${Date.now()}` });
  const schemas = new Map<number, ValueSchema>();
  const changes: Change[] = [];
  await consumer.connect();
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ partition, message: { offset, value, headers } }) => {
        if (value === null) throw new Error("a message without a value");
        const id = schemaIdOf(value);
        const schema = schemas.get(id) ?? readValueSchema(await registry.schema(id));
        schemas.set(id, schema);
        changes.push(changeOf(partition, BigInt(offset), value, buffers(headers ?? {}), schema));
        if (BigInt(offset) + 1n >= (missing.get(partition) ?? 0n)) missing.delete(partition);
      },
    });
    await waitUntil(() => missing.size === 0, { deadlineMs: 45_000, what: `the messages of ${topic}` });
  } finally {
    await consumer.disconnect();
  }
  return changes.toSorted((a, b) => a.partition - b.partition || Number(a.offset - b.offset));
}

function changeOf(
  partition: number,
  offset: bigint,
  value: Buffer,
  headers: Record<string, Buffer>,
  schema: ValueSchema,
): Change {
  const reader = new RowReader(schema);
  reader.read(value);
  const row = (starts: Int32Array, ends: Int32Array) =>
    Object.fromEntries(
      schema.columns.map(({ name }, i) => [name, (starts[i] ?? -1) < 0 ? null : value.toString("utf8", starts[i], ends[i])]),
    );
  const position = readPosition(headers);
  return {
    partition,
    offset,
    position,
    at: formatPosition(position),
    op: String.fromCharCode(reader.op),
    xid: reader.xid,
    tenant: readTenant(headers),
    table: readTable(headers),
    txLast: isTxLast(headers),
    unavailable: headers["unavailable"] === undefined ? [] : readUnavailable(headers["unavailable"].toString()).columns,
    before: reader.hasBefore ? row(reader.beforeStarts, reader.beforeEnds) : null,
    after: reader.hasAfter ? row(reader.afterStarts, reader.afterEnds) : null,
    types: Object.fromEntries(schema.columns.map(({ name, pgType }) => [name, pgType])),
  };
}

function buffers(headers: Readonly<Record<string, unknown>>): Record<string, Buffer> {
  return Object.fromEntries(Object.entries(headers).flatMap(([name, value]) => (Buffer.isBuffer(value) ? [[name, value]] : [])));
}
