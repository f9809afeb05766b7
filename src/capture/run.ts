/** One run of capture, from the slot to the topic, until its signal aborts or something fails. It leaves nothing behind. */

import { randomBytes } from "node:crypto";
import {
  changesTopicName,
  Encoder,
  messageKeySchema,
  messageValueSchema,
  Slab,
  type SourceStamp,
  serverName,
  subjectOf,
} from "../envelope/index.ts";
import { RehouseError } from "../errors.ts";
import { settled } from "../in-time.ts";
import type { Logger } from "../log.ts";
import type { Mapping } from "../model/mapping.ts";
import { formatLsn, type Lsn, type Position, ZERO_LSN } from "../model/position.ts";
import type { ChangesProducer, ChangesTopic, Database, ReplicationStream, SchemaRegistry, TailReader } from "../ports.ts";
import { published, type Span } from "../traces/index.ts";
import { Acknowledger } from "./acknowledger.ts";
import { emitBeats, PREFIX } from "./beat.ts";
import { Gate } from "./gate.ts";
import { Intake } from "./intake.ts";
import { NoteMaker, Recorder, writeFirstNote } from "./notes.ts";
import { Outbox } from "./outbox.ts";
import { topicPartitions } from "./partition.ts";
import { Publisher } from "./publisher.ts";
import { keepHistory, requireNotRewound } from "./rewound.ts";
import { Sequencer } from "./sequencer.ts";
import { blaming, blamingStream, requireSlot, slotName } from "./slot.ts";
import { knownTables, type SourceChange, watchTables } from "./source-tables.ts";
import { CapturedTables } from "./tables.ts";
import { type MovingTenants, TenantRoutes } from "./tenants.ts";

export type CaptureDeps = {
  readonly mapping: Mapping;
  /** Of Rehouse, for the envelope's source block. */
  readonly version: string;
  /** Every tenant moves, also those that are not known yet; otherwise the ones in the state tables. */
  readonly allTenantsMove: boolean;
  /** rehouse.migration.tenants_asked when the mapping was made, to be confirmed. Left out: none are added while the migration lives. */
  readonly tenantsAsked?: string;
  /** A row that is written without a tenant is an error; otherwise it is left out. */
  readonly refusesOrphans: boolean;
  readonly source: Database;
  readonly target: Database;
  /** Of the slot and publication {@link slotName}. */
  readonly stream: () => ReplicationStream;
  readonly topic: ChangesTopic;
  readonly tail: TailReader;
  readonly producer: () => Promise<ChangesProducer>;
  readonly registry: SchemaRegistry;
  readonly log: Logger;
  /** Left out: nobody has asked for traces. */
  readonly trace?: ((span: Span) => void) | undefined;
};

/**
 * Publishes the source's changes until `signal` aborts. Rejects with a RehouseError; it can be called again with the same deps, and goes
 * on where the slot and the topic say it was.
 */
export async function runCapture(deps: CaptureDeps, signal: AbortSignal): Promise<void> {
  const inner = new AbortController();
  const stop = () => inner.abort();
  signal.addEventListener("abort", stop, { once: true });
  let producer: ChangesProducer | undefined;
  try {
    const start = await readStart(deps);
    producer = await deps.producer();
    if (!signal.aborted) await capture(deps, start, producer, inner);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener("abort", stop);
    await producer?.close();
  }
}

const NONE_ADDED = "0";

/** For a send under way when capture ends. */
const GRACE_MS = 3_000;

type Start = Awaited<ReturnType<typeof readStart>>;

/** Everything that has to be known before the first message. The tail is read last, when nobody else can write any more. */
async function readStart(deps: CaptureDeps) {
  const { mapping, source, target, topic } = deps;
  const { migration } = mapping;
  const [slot, [database]] = await blaming(
    source,
    Promise.all([requireSlot(source, slotName(migration)), source.query("SELECT pg_catalog.current_database() AS name")]),
  );
  const [[state], tenants, known] = await blaming(
    target,
    Promise.all([
      target.query("SELECT partitions FROM rehouse.migration WHERE name = $1", [migration]),
      target.query("SELECT tenant FROM rehouse.tenant WHERE migration = $1 AND kind = 'tenant'", [migration]),
      knownTables(target, migration),
    ]),
  );
  if (state === undefined)
    throw new RehouseError("REHOUSE_NO_MIGRATION", { what: `the target knows no migration ${migration}`, where: target.place });
  const tenantPartitions = Number(state["partitions"]);
  const partitions = topicPartitions(mapping, tenantPartitions);
  const [offsets, longestMessage] = await Promise.all([topic.offsets(), topic.longestMessage()]);
  if (offsets.length !== partitions)
    throw new RehouseError("REHOUSE_TOPIC_MISMATCH", {
      what: `the topic ${topic.name} has ${offsets.length} partitions where ${partitions} are needed`,
      fix: "cancel the migration and begin it again",
    });
  await blaming(
    target,
    writeFirstNote(
      target,
      migration,
      offsets.map(({ low }) => low),
    ),
  );
  const tail = new Map<number, Position>();
  for (const [partition, last] of await deps.tail.last()) if (last !== undefined) tail.set(partition, last.position);
  const captured = latest([...tail.values()]);
  await blaming(source, requireNotRewound(source, captured));
  const moving: MovingTenants = deps.allTenantsMove ? "all" : new Set(tenants.map((row) => row["tenant"] ?? ""));
  return {
    slot,
    tenantPartitions,
    partitions,
    next: offsets.map(({ high }) => high),
    tail,
    captured,
    moving,
    known,
    longestMessage,
    database: database?.["name"] ?? "",
  };
}

function latest(positions: readonly Position[]): Lsn {
  return positions.reduce((last, { lsn }) => (lsn > last ? lsn : last), ZERO_LSN);
}

/** Settles when `inner` aborts and all parts have ended; the first part that fails aborts the others. */
async function capture(deps: CaptureDeps, start: Start, producer: ChangesProducer, inner: AbortController): Promise<void> {
  const { mapping, source, target, registry, log } = deps;
  const { migration } = mapping;
  const slab = new Slab();
  const stamp: SourceStamp = { version: deps.version, name: serverName(migration), database: start.database };
  const messages = await messageEncoder(migration, registry, slab, stamp);
  const stream = deps.stream();
  const outbox = new Outbox();
  const publisher = new Publisher(outbox, producer, start.next);
  const recorder = new Recorder(target, migration, deps.tenantsAsked ?? NONE_ADDED, log);
  const report = (change: SourceChange) => recorder.journal("source-changed", change);
  const tables = new CapturedTables({
    mapping,
    source,
    registry,
    topic: changesTopicName(migration),
    slab,
    stamp,
    known: start.known,
    limit: start.longestMessage,
    onChange: report,
  });
  const run = randomBytes(6).toString("hex");
  const notes = new NoteMaker(run);
  const orphans = new Map<string, number>();

  const sequencer = new Sequencer({
    migration,
    tenantPartitions: start.tenantPartitions,
    topicPartitions: start.partitions,
    routes: new TenantRoutes(start.moving, start.tenantPartitions),
    table: (relation) => tables.get(relation),
    messages,
    slab,
    tail: start.tail,
    out: outbox,
    onOrphan(table, written) {
      if (deps.refusesOrphans && written !== undefined) throw withoutTenant(table, written());
      const count = (orphans.get(table) ?? 0) + 1;
      orphans.set(table, count);
      if (count === 1) recorder.journal("rows-without-tenant", { table });
    },
  });

  const failed = new Gate<never>();
  const intake = new Intake({
    tables,
    take: (message) => sequencer.take(message),
    isFull: () => outbox.isFull,
    pause: () => stream.pause(),
    resume: () => stream.resume(),
    fail: (error) => failed.fail(error),
  });
  const acknowledger = new Acknowledger({
    flushed: start.slot.confirmed,
    send: (flushed) => stream.acknowledge(flushed),
    isIdle: () => publisher.isIdle && intake.isIdle && !sequencer.isInTransaction,
  });

  const started = new Gate();
  const parts = [
    blamingStream(
      source,
      slotName(migration),
      stream.run(
        undefined,
        {
          connected: (history) => blaming(target, keepHistory({ migration, source, target }, history, start.captured)),
          started: () => started.open(),
          message: (message) => intake.message(message),
          keepalive: (walEnd, replyNow) => acknowledger.keepalive(walEnd, replyNow),
        },
        inner.signal,
      ),
    ),
    publisher.run(
      {
        taken: () => {
          if (outbox.hasRoom) intake.roomy();
        },
        durable: (commitEnd) => acknowledger.durable(commitEnd),
        beat(beat, lsn, offsetsBefore) {
          const note = notes.beat(beat, lsn, offsetsBefore);
          deps.trace?.(published({ migration, beat, position: formatLsn(lsn) }, Date.now()));
          recorder.record(note, {
            acknowledged: acknowledger.flushed,
            changes: sequencer.takeChanges(),
            lagMs: Math.max(0, Date.now() - beat.emittedAtMs),
          });
        },
      },
      inner.signal,
    ),
    blaming(target, recorder.run(inner.signal)),
    // Not before the slot is ours: a run that waits for it would fill the source's WAL with beats that nobody reads.
    blaming(
      source,
      Promise.race([started.promise, aborted(inner.signal)]).then(() =>
        emitBeats({ migration, source, run, hurried: () => recorder.isHurried }, inner.signal),
      ),
    ),
    watchTables({ migration, source, target, report }, inner.signal),
  ];
  acknowledger.repeat(inner.signal);
  try {
    await Promise.race([failed.promise, Promise.all(parts)]);
  } finally {
    inner.abort();
    const ended = Promise.allSettled(parts);
    // A send that hangs on a broker that is gone is cut off by closing its producer; what it had is sent again by the next run.
    await settled(ended, GRACE_MS);
    await producer.close();
    await ended;
  }
}

function withoutTenant(table: string, written: string): RehouseError {
  return new RehouseError("REHOUSE_ROW_WITHOUT_TENANT", {
    what: `a row was written without a tenant: ${written}`,
    where: table,
    fix: "set tenants.null to leave, and start `rehouse run` again: such a row stays at the source, and moves once it is given a tenant",
  });
}

async function messageEncoder(migration: string, registry: SchemaRegistry, slab: Slab, stamp: SourceStamp): Promise<Encoder> {
  const topic = changesTopicName(migration);
  const value = messageValueSchema(migration);
  const key = messageKeySchema(migration);
  const [valueSchemaId, keySchemaId] = await Promise.all([
    registry.register(subjectOf(topic, value.fullName), value.text),
    registry.register(subjectOf(topic, key.fullName), key.text),
  ]);
  return new Encoder({
    slab,
    source: stamp,
    table: { schema: "", table: "" },
    columns: 0,
    valueSchemaId,
    keySchemaId,
    keyName: PREFIX,
    keyColumns: [],
  });
}

/** Also of a signal that has been aborted before: whatever came before this may have taken its time. */
async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
