import { setTimeout as delay } from "node:timers/promises";
import type { RehouseError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Mapping } from "../model/mapping.ts";
import { parseLsn } from "../model/position.ts";
import type { ChangesReader, ChangesTopic, Database, SchemaRegistry, Session } from "../ports.ts";
import { Lane } from "./lane.ts";
import { type LaneName, MAIN_LANE } from "./membership.ts";
import { MessageSchemas } from "./schemas.ts";
import { refetchStatement } from "./table-writer.ts";
import type { Refetch } from "./target-transaction.ts";
import { Writers } from "./writers.ts";

export type ApplyDeps = {
  readonly migration: string;
  readonly mapping: Mapping;
  readonly source: Database;
  readonly target: Database;
  readonly topic: ChangesTopic;
  readonly registry: SchemaRegistry;
  /** Reads the partitions that the migration's consumer group gives to this process. */
  readonly mainReader: () => ChangesReader;
  /** Reads one partition for one lane, whatever the group does. */
  readonly lateReader: (name: LaneName) => ChangesReader;
  readonly paused: () => boolean;
  readonly report: (error: RehouseError | undefined) => void;
  readonly log: Logger;
};

/** How often a process looks for late lanes that nobody runs. */
const LATE_LANES_EVERY_MS = 500;
/** Late lanes at once in one process: each is a consumer and a session more. */
const MOST_LATE_LANES = 4;

/**
 * `session_replication_role = replica`: triggers and foreign keys fired at the source already. synchronous_commit off is safe here: place and rows
 * are lost together, and Kafka has the changes still. A generic plan, since the statements' parameters are arrays of any length.
 */
const APPLY_SETTINGS = {
  synchronous_commit: "off",
  plan_cache_mode: "force_generic_plan",
  work_mem: "32MB",
  jit: "off",
} as const;

/** Runs until `signal` aborts. Restartable: everything that matters is in the target. */
export async function runApply(deps: ApplyDeps, signal: AbortSignal): Promise<void> {
  const stop = new AbortController();
  const ended = AbortSignal.any([signal, stop.signal]);
  const shared: Shared = {
    writers: await Writers.load(deps.mapping, deps.source),
    schemas: new MessageSchemas(deps.registry, deps.mapping),
    low: new LowOffsets(deps.topic),
  };
  try {
    await Promise.all([runMainLanes(deps, shared, ended), runLateLanes(deps, shared, ended)]);
  } finally {
    stop.abort();
  }
}

type Shared = { readonly writers: Writers; readonly schemas: MessageSchemas; readonly low: LowOffsets };

async function runMainLanes(deps: ApplyDeps, shared: Shared, signal: AbortSignal): Promise<void> {
  const reader = deps.mainReader();
  const lanes = new Map<number, { lane: Lane; stop: AbortController; done: Promise<void> }>();
  await new Promise<void>((resolve, reject) => {
    const assigned = (partitions: readonly number[]) => {
      for (const [partition, running] of lanes) {
        if (partitions.includes(partition)) running.lane.rejoined();
        else {
          running.stop.abort();
          lanes.delete(partition);
        }
      }
      for (const partition of partitions) {
        if (lanes.has(partition)) continue;
        const stop = new AbortController();
        const lane = makeLane(deps, shared, { migration: deps.migration, partition, lane: MAIN_LANE }, reader);
        const done = lane.run(AbortSignal.any([signal, stop.signal]));
        done.catch(reject);
        lanes.set(partition, { lane, stop, done });
      }
    };
    const receive: Parameters<ChangesReader["run"]>[0]["receive"] = (partition, messages) =>
      lanes.get(partition)?.lane.receive(messages);
    reader.run({ assigned, receive }, signal).then(resolve, reject);
  }).finally(async () => {
    for (const { stop } of lanes.values()) stop.abort();
    await Promise.allSettled([...lanes.values()].map(({ done }) => done));
  });
}

/** Looks for late lanes and runs those that no other process has: an advisory lock of the lane's session says whose it is. */
async function runLateLanes(deps: ApplyDeps, shared: Shared, signal: AbortSignal): Promise<void> {
  const running = new Map<string, Promise<void>>();
  try {
    while (!signal.aborted) {
      const rows = await deps.target
        .query("SELECT partition, lane FROM rehouse.lane WHERE migration = $1 AND lane <> $2 ORDER BY partition, lane", [
          deps.migration,
          MAIN_LANE,
        ])
        .catch(() => []);
      for (const row of rows) {
        const name: LaneName = { migration: deps.migration, partition: Number(row["partition"]), lane: row["lane"] ?? "" };
        const id = `${name.partition}/${name.lane}`;
        if (running.has(id) || running.size >= MOST_LATE_LANES) continue;
        const done = runLateLane(deps, shared, name, signal)
          .catch((error: unknown) => deps.log.error({ error, lane: id }, "a late lane failed"))
          .finally(() => running.delete(id));
        running.set(id, done);
      }
      await delay(LATE_LANES_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    await Promise.allSettled(running.values());
  }
}

async function runLateLane(deps: ApplyDeps, shared: Shared, name: LaneName, signal: AbortSignal): Promise<void> {
  const claim = await deps.target.connect({ name: `rehouse ${name.migration} lane` });
  const stop = new AbortController();
  try {
    const [row] = await claim.query("SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS mine", [
      `rehouse.lane ${name.migration} ${name.partition} ${name.lane}`,
    ]);
    if (row?.["mine"] !== "t") return;
    const reader = deps.lateReader(name);
    const lane = makeLane(deps, shared, name, reader);
    const ended = AbortSignal.any([signal, stop.signal]);
    const reading = reader.run(
      {
        assigned: () => lane.rejoined(),
        receive: (partition, messages) => partition === name.partition && lane.receive(messages),
      },
      ended,
    );
    await Promise.race([lane.run(ended), reading]);
    stop.abort();
    await reading;
  } finally {
    stop.abort();
    await claim.close();
  }
}

function makeLane(deps: ApplyDeps, shared: Shared, name: LaneName, reader: ChangesReader): Lane {
  return new Lane({
    name,
    target: deps.target,
    session: () => openSession(deps.target, name),
    schemas: shared.schemas,
    writers: shared.writers,
    refetch: refetchFrom(deps.source),
    feed: {
      seek: (offset) => reader.seek(name.partition, offset),
      pause: () => reader.pause(name.partition),
      resume: () => reader.resume(name.partition),
      committed: (offset) => reader.committed(name.partition, offset),
      low: () => shared.low.of(name.partition),
    },
    paused: deps.paused,
    report: deps.report,
    log: deps.log.child({ lane: name.lane, partition: name.partition }),
  });
}

async function openSession(target: Database, name: LaneName): Promise<{ session: Session; deferred: boolean }> {
  const session = await target.connect({ name: `rehouse ${name.migration} apply`, settings: APPLY_SETTINGS });
  try {
    await session.query("SET session_replication_role = replica");
    return { session, deferred: false };
  } catch {
    // Without that privilege triggers and foreign keys stay on; check has said what it means.
    return { session, deferred: true };
  }
}

function refetchFrom(source: Database): Refetch {
  return async (writer, tenant, keys) => {
    const params = writer.table.tenantColumn === undefined ? keys : [...keys, tenant];
    const rows = await source.query(refetchStatement(writer.table, writer.inputs), params);
    // After the read: whatever these rows show was committed before this place in the WAL.
    const [now] = await source.query("SELECT pg_current_wal_insert_lsn() AS lsn");
    return {
      writer,
      rows: rows.map((row) => writer.inputs.map((_, index) => row[`c${index}`] ?? null)),
      asOf: parseLsn(now?.["lsn"] ?? ""),
    };
  };
}

/** First offsets of the topic, asked for at most once a second whatever the number of lanes. */
class LowOffsets {
  readonly #topic: ChangesTopic;
  #at = 0;
  #offsets: Promise<Awaited<ReturnType<ChangesTopic["offsets"]>>> | undefined;

  constructor(topic: ChangesTopic) {
    this.#topic = topic;
  }

  async of(partition: number): Promise<bigint> {
    if (this.#offsets === undefined || Date.now() - this.#at > 1000) {
      this.#at = Date.now();
      this.#offsets = this.#topic.offsets();
      this.#offsets.catch(() => {
        this.#offsets = undefined;
      });
    }
    return (await this.#offsets).find((entry) => entry.partition === partition)?.low ?? 0n;
  }
}
