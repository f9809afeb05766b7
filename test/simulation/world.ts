/**
 * One seed: a source with clients, a migration of all or some of its tenants, and whatever can go wrong. The roles are the product's own
 * (runCapture, runApply, runControl), over simulated ports.
 */

import { retryTenant, runApply } from "../../src/apply/index.ts";
import { partitionOf, runCapture, topicPartitions } from "../../src/capture/index.ts";
import { runControl } from "../../src/control/run.ts";
import { RehouseError } from "../../src/errors.ts";
import { createLogger } from "../../src/log.ts";
import { SHARED_UNIT, WHOLE_UNIT } from "../../src/model/mapping.ts";
import { asLsn, type Lsn, type Position } from "../../src/model/position.ts";
import { ConnectionLost, type SchemaRegistry, ServerError } from "../../src/ports.ts";
import { Random } from "../support/random.ts";
import { copyWaves } from "./backfill.ts";
import { Checks } from "./checks.ts";
import { History } from "./history.ts";
import { Network, Process } from "./network.ts";
import { newTenant } from "./rules.ts";
import { database } from "./session.ts";
import { type Change, Source } from "./source.ts";
import { type SourceHooks, SourceServer } from "./source-server.ts";
import { type LaneRow, laneKey, lanes, tenantKey, tenants, waves } from "./state.ts";
import { replicationStream, Slot } from "./stream.ts";
import { type Layout, layoutOf, MIGRATION } from "./tables.ts";
import { Target, type TargetHooks } from "./target.ts";
import { VirtualTime } from "./time.ts";
import { Group, onlyPartition, positionOf, Topic, type TopicHooks } from "./topic.ts";
import { Traffic } from "./traffic.ts";

const TENANT_PARTITIONS = 2;
const TRAFFIC_MS = 1_500;
const SETTLE_WITHIN_MS = 120_000;

/** Where a broken product is broken (mutations.ts). */
export type Hooks = TargetHooks &
  TopicHooks &
  SourceHooks & {
    readonly epochsSeeAnything?: boolean;
    /** Whether most commits wait for a standby, invisible; left out: a matter of the seed. */
    readonly slowStandby?: boolean;
    readonly acknowledge?: (flushed: Lsn, written: Lsn) => Lsn;
  };

export type Outcome = {
  readonly seed: number;
  readonly finding: string | undefined;
  readonly layout: string;
  readonly transactions: number;
  readonly rolledBack: number;
  readonly messages: number;
  readonly repeats: number;
  readonly laneCommits: number;
  readonly comparisons: number;
  readonly epochs: number;
  readonly kills: number;
  readonly stops: number;
  readonly lateLanes: number;
  readonly virtualMs: number;
};

const log = createLogger("silent");

/** Runs one seed. `hooks` break the product; `trace` is told what happens. */
export async function simulate(seed: number, hooks: Hooks = {}, trace?: (line: string) => void): Promise<Outcome> {
  using time = new VirtualTime();
  // A seed has hundreds of errors, made on purpose, and nobody reads where they came from. It can be run again to see.
  const { stackTraceLimit } = Error;
  if (trace === undefined) Error.stackTraceLimit = 0;
  try {
    return await new World(seed, time, hooks, trace).run();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

class World {
  readonly #seed: number;
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #network: Network;
  readonly #layout: Layout;
  readonly #hooks: Hooks;
  readonly #trace: ((line: string) => void) | undefined;
  readonly #source: Source;
  readonly #slot = new Slot();
  readonly #sourceServer: SourceServer;
  readonly #target: Target;
  readonly #topic: Topic;
  readonly #group: Group;
  readonly #history: History;
  readonly #checks: Checks;
  readonly #traffic: Traffic;
  readonly #registry: SchemaRegistry;
  readonly #tenants: readonly string[];
  /** Tenants that move from the beginning, and that appear later. */
  readonly #early: readonly string[];
  readonly #late: readonly string[];
  #lateAtMs = 0;
  #slotSnapshot = "";
  #isPaused = false;
  #isEnding = false;
  readonly #running = new Map<string, Process>();
  #roles: Promise<void>[] = [];
  #kills = 0;
  #stops = 0;
  #lateLanes = new Set<string>();

  constructor(seed: number, time: VirtualTime, hooks: Hooks, trace: ((line: string) => void) | undefined) {
    this.#seed = seed;
    this.#time = time;
    this.#hooks = hooks;
    this.#trace = trace;
    const random = new Random(seed);
    this.#random = random;
    this.#network = new Network(time, random);
    this.#layout = layoutOf(random.int(4));
    const { mapping } = this.#layout;
    this.#source = new Source(firstXid(random));
    const names = ["7", "8", "9", "10"].slice(0, 2 + random.int(3));
    this.#tenants = this.#layout.whole ? [WHOLE_UNIT] : [SHARED_UNIT, ...names];
    const hasLate = this.#layout.lateCopies && !this.#layout.whole && random.int(3) > 0;
    const staysBehind = !hasLate && !this.#layout.whole && random.int(2) === 0;
    this.#late = hasLate ? names.slice(-1 - random.int(2)) : [];
    const movers = staysBehind ? names.slice(1) : names;
    this.#early = this.#layout.whole ? [WHOLE_UNIT] : [SHARED_UNIT, ...movers.filter((name) => !this.#late.includes(name))];
    const tenantPartitions = this.#layout.whole || !this.#layout.lateCopies ? 1 : TENANT_PARTITIONS;
    const partitions = topicPartitions(mapping, tenantPartitions);
    const partitionOfUnit = (unit: string) =>
      partitionOf(
        unit === SHARED_UNIT ? { kind: "shared" } : unit === WHOLE_UNIT ? { kind: "whole" } : { kind: "tenant", tenant: unit },
        tenantPartitions,
      );
    const moving = new Set([...this.#early, ...this.#late]);
    this.#history = new History({
      layout: this.#layout,
      partitions,
      tenantPartitions,
      partitionOf: partitionOfUnit,
      moves: (tenant) => moving.has(tenant),
    });
    this.#checks = new Checks(this.#history, () => this.#target);
    const rates = { lostBefore: random.int(12), lostAfter: random.int(12), refused: random.int(8) };
    this.#sourceServer = new SourceServer({
      source: this.#source,
      network: this.#network,
      layout: this.#layout,
      slot: this.#slot,
      rates,
      hooks,
    });
    this.#target = new Target({
      layout: this.#layout,
      partitions: tenantPartitions,
      rates,
      hooks,
      onAdvance: (advance) => {
        if (advance.from.lane !== "main") this.#lateLanes.add(laneKey(advance.from.partition, advance.from.lane));
        this.#say(
          () =>
            `lane ${advance.from.partition}/${advance.from.lane} ${advance.from.next} -> ${advance.to.next} at ${advance.to.lsn}:${advance.to.ordinal}, ${advance.changes} changes`,
        );
        this.#checks.advanced(advance);
      },
    });
    this.#topic = new Topic({
      partitions,
      network: this.#network,
      hooks,
      onAppend: (partition, message) => this.#checks.appended(partition, message),
    });
    this.#group = new Group(this.#network, partitions);
    this.#traffic = new Traffic({
      source: this.#source,
      layout: this.#layout,
      network: this.#network,
      tenants: this.#layout.whole ? ["7", "8"] : names,
      hasSlowStandby: hooks.slowStandby,
      onPoison: (value) => this.#target.rows.refused.add(value),
    });
    this.#registry = registry();
    let captured = false;
    this.#source.onCommit.add((committed) => {
      this.#say(
        () =>
          `commit ${committed.lsn} of xid ${committed.xid}: ${committed.changes.map((change) => describe(change)).join("; ")}`,
      );
      this.#history.commit(committed, this.#tenants, captured);
    });
    this.#begin(partitions, partitionOfUnit);
    captured = true;
  }

  async run(): Promise<Outcome> {
    this.#startRoles();
    this.#startTraffic();
    this.#startFaults();
    const until = (isOver: () => boolean, ms: number) => this.#time.run(() => this.#checks.finding !== undefined || isOver(), ms);
    const isTrafficOver = () => this.#time.now >= TRAFFIC_MS && this.#traffic.open === 0;
    await until(isTrafficOver, SETTLE_WITHIN_MS);
    this.#network.faulty = false;
    this.#isPaused = false;
    const last = this.#source.wal.at(-1)?.lsn ?? asLsn(0n);
    if (!(await until(() => this.#isThere(last), SETTLE_WITHIN_MS)))
      this.#checks.fail(`not all tenants came to be in-sync: ${this.#picture()}`);
    for (const { tenant } of tenants(this.#target.begin()))
      if (this.#checks.finding === undefined) this.#checks.over(tenant, last);
    await this.#end();
    return this.#outcome();
  }

  /** The source as it is found, the slot, and what the first start writes into the state tables. */
  #begin(partitions: number, partitionOfUnit: (unit: string) => number): void {
    this.#traffic.seed();
    // One more commit that nobody sees yet, though the slot's own snapshot does.
    const hidden = this.#random.int(3) === 0 ? this.#traffic.hidden() : undefined;
    this.#slot.confirmed = this.#source.insertLsn;
    this.#slot.persisted = this.#slot.confirmed;
    const xmax = this.#source.begin();
    this.#slotSnapshot = `${xmax.xid}:${xmax.xid}:`;
    xmax.complete();
    if (hidden !== undefined) this.#time.after(this.#random.int(1_000), () => hidden.complete());
    const transaction = this.#target.begin();
    const put = (key: string, value: unknown) => {
      void transaction.lock(key);
      transaction.put(key, value);
    };
    for (let partition = 0; partition < partitions; partition++)
      put(laneKey(partition, "main"), {
        partition,
        lane: "main",
        next: 0n,
        lsn: 0n,
        ordinal: 0n,
        membership: 0n,
      } satisfies LaneRow);
    for (const unit of this.#early) put(tenantKey(unit), newTenant(unit, kindOf(unit), partitionOfUnit(unit)));
    transaction.commit();
    this.#lateAtMs = 200 + this.#random.int(1_200);
    this.#time.after(this.#lateAtMs, () => {
      const later = this.#target.begin();
      for (const unit of this.#late) {
        void later.lock(tenantKey(unit));
        later.put(tenantKey(unit), newTenant(unit, kindOf(unit), partitionOfUnit(unit)));
      }
      later.commit();
    });
  }

  #startRoles(): void {
    this.#keep("capture", (process) => this.#capture(process));
    this.#keep("control", (process) => this.#control(process));
    this.#keep("backfill", (process) => copyWaves(this.#copying(process)));
    const appliers = 1 + this.#random.int(2);
    for (let number = 1; number <= appliers; number++) this.#keep(`apply ${number}`, (process) => this.#apply(process));
    this.#roles.push(this.#operate());
  }

  /** Starts the role anew whenever it ends. */
  #keep(name: string, role: (process: Process) => Promise<void>): void {
    const keep = async () => {
      while (!this.#isEnding) {
        const process = new Process(this.#network);
        this.#running.set(name, process);
        try {
          await role(process);
        } catch (error) {
          this.#say(() => `${name} ended: ${String(error)}`);
          if (!process.isKilled && !isPassing(error)) this.#checks.fail(`${name} ended with ${String(error)}\n${stackOf(error)}`);
        } finally {
          process.kill();
        }
        if (!this.#isEnding) await this.#time.sleep(10 + this.#random.int(300));
      }
    };
    this.#roles.push(keep());
  }

  async #capture(process: Process): Promise<void> {
    let tails: ReadonlyMap<number, { readonly position: Position } | undefined> = new Map();
    const tail = this.#topic.tail(process);
    const rates = { again: 15, gaveUp: 15 };
    await runCapture(
      {
        mapping: this.#layout.mapping,
        version: "0",
        allTenantsMove: this.#late.length > 0,
        refusesOrphans: false,
        source: database(this.#sourceServer, process),
        target: database(this.#target, process),
        stream: () => {
          const stream = replicationStream({
            source: this.#source,
            slot: this.#slot,
            process,
            breaks: 10,
            onAcknowledge: (flushed) => this.#checks.acknowledged(flushed),
          });
          const { acknowledge } = this.#hooks;
          if (acknowledge === undefined) return stream;
          return { ...stream, acknowledge: (flushed) => stream.acknowledge(acknowledge(flushed, this.#source.insertLsn)) };
        },
        topic: this.#topic.port(process),
        tail: {
          last: async () => {
            tails = new Map(
              this.#topic.partitions.map((messages, partition) => {
                const last = messages.at(-1);
                return [partition, last?.position === undefined ? undefined : { position: last.position }];
              }),
            );
            return tail.last();
          },
        },
        producer: async () => {
          const producer = this.#topic.producer(process, rates);
          return {
            publish: (messages) => {
              for (const { partition, headers } of messages) {
                const position = positionOf(headers);
                this.#checks.published(partition, position, tails.get(partition)?.position);
              }
              return producer.publish(messages);
            },
            close: () => producer.close(),
          };
        },
        registry: this.#registry,
        log,
      },
      process.signal,
    );
  }

  async #apply(process: Process): Promise<void> {
    await runApply(
      {
        migration: MIGRATION,
        mapping: this.#layout.mapping,
        source: database(this.#sourceServer, process),
        target: database(this.#target, process),
        topic: this.#topic.port(process),
        registry: this.#registry,
        mainReader: () => this.#topic.reader(process, this.#group),
        lateReader: ({ partition }) => this.#topic.reader(process, onlyPartition(partition)),
        foreignWrites: "alert",
        paused: () => this.#isPaused,
        report: (error, lane) => this.#say(() => `lane ${lane} ${error === undefined ? "goes on" : `waits: ${error.message}`}`),
        log,
      },
      process.signal,
    );
  }

  async #control(process: Process): Promise<void> {
    const work = async () => {
      await process.request();
    };
    await runControl(
      {
        migration: MIGRATION,
        source: database(this.#sourceServer, process),
        target: database(this.#target, process),
        builder: {
          expand: work,
          finishKeys: work,
          finishForeignKeys: async () => {
            await work();
            return [];
          },
        },
        discover: work,
        foreignWrites: async () => undefined,
        isCopied: async (number) => {
          await process.request();
          const wave = waves(this.#target.begin()).find((each) => each.wave === number);
          return wave?.chunks?.every((chunk) => chunk.done) === true;
        },
        log,
      },
      process.signal,
    );
  }

  #copying(process: Process) {
    return {
      source: this.#sourceServer,
      target: this.#target,
      history: this.#history,
      slotSnapshot: this.#slotSnapshot,
      process,
      seesAnything: this.#hooks.epochsSeeAnything === true,
    };
  }

  /** A person who mends what the target refuses, and has its tenants tried again. */
  async #operate(): Promise<void> {
    const process = new Process(this.#network);
    const target = database(this.#target, process);
    const mended = new Set<string>();
    while (!this.#isEnding) {
      await this.#time.sleep(150 + this.#random.int(500));
      for (const { tenant, stopped } of tenants(this.#target.begin())) {
        if (stopped === undefined) continue;
        const place = `${tenant} ${stopped.lsn}:${stopped.ordinal}`;
        // A row that another tenant has not given away yet: whether he has by now only a retry can tell.
        const isWaiting = stopped.code === "REHOUSE_ROW_OF_ANOTHER_TENANT";
        if (mended.has(place) && !isWaiting)
          this.#checks.fail(`${tenant} stops again after ${stopped.lsn}:${stopped.ordinal}, where nothing is refused`);
        this.#stops++;
        if (this.#random.int(3) > 0) this.#target.rows.refused.clear();
        const isMended = this.#target.rows.refused.size === 0;
        const isTriedAgain = await retryTenant(target, MIGRATION, tenant, "me@here").catch((error: unknown) => {
          if (!isPassing(error)) throw error;
          return false;
        });
        if (isMended && isTriedAgain) mended.add(place);
      }
    }
  }

  #startTraffic(): void {
    const busy = 15 + this.#random.int(60);
    const next = () => {
      if (this.#time.now >= TRAFFIC_MS) return;
      if (this.#traffic.open < 6) this.#traffic.transaction().catch((error: unknown) => this.#checks.fail(stackOf(error)));
      this.#time.after(this.#random.int(2 * busy), next);
    };
    next();
  }

  #startFaults(): void {
    const rate = 150 + this.#random.int(1_500);
    const next = () => {
      if (!this.#network.faulty) return;
      const choice = this.#random.int(10);
      if (choice < 7) {
        const [name, process] = this.#random.of([...this.#running]);
        this.#say(() => `${name} is killed`);
        this.#kills++;
        process.kill();
      } else if (choice < 8) this.#group.rebalance();
      else if (choice < 9) {
        this.#isPaused = true;
        this.#time.after(this.#random.int(600), () => {
          this.#isPaused = false;
        });
      } else this.#slot.confirmed = this.#slot.persisted;
      if (this.#random.int(2) === 0) this.#slot.persisted = this.#slot.confirmed;
      this.#time.after(20 + this.#random.int(rate), next);
    };
    this.#time.after(this.#random.int(rate), next);
  }

  #isThere(last: Lsn): boolean {
    const state = this.#target.begin();
    const all = tenants(state);
    return (
      all.length === this.#early.length + this.#late.length &&
      all.every(
        (row) =>
          row.phase === "in-sync" &&
          row.stopped === undefined &&
          row.lane === "main" &&
          row.reread <= (state.get<LaneRow>(laneKey(row.partition, "main"))?.lsn ?? 0n),
      ) &&
      lanes(state).every(
        (lane) => lane.lane === "main" && (lane.lsn >= last || !all.some((row) => row.partition === lane.partition)),
      )
    );
  }

  async #end(): Promise<void> {
    this.#isEnding = true;
    for (const process of this.#running.values()) process.kill();
    let ended = false;
    void Promise.allSettled(this.#roles).then(() => {
      ended = true;
    });
    if (!(await this.#time.run(() => ended, 20_000))) this.#checks.fail("a role does not end when it is told to");
  }

  #outcome(): Outcome {
    const state = this.#target.begin();
    return {
      seed: this.#seed,
      finding: this.#checks.finding?.message,
      layout: this.#layout.name,
      transactions: this.#traffic.committed,
      rolledBack: this.#traffic.rolledBack,
      messages: this.#topic.partitions.reduce((sum, messages) => sum + messages.length, 0),
      repeats: this.#checks.repeats,
      laneCommits: this.#checks.advances,
      comparisons: this.#checks.compared,
      epochs: state.keys("epoch ").length,
      kills: this.#kills,
      stops: this.#stops,
      lateLanes: this.#lateLanes.size,
      virtualMs: this.#time.now,
    };
  }

  #picture(): string {
    const state = this.#target.begin();
    const units = tenants(state).map(
      (row) => `${row.tenant} ${row.phase} on ${row.lane}${row.stopped === undefined ? "" : ", stopped"}`,
    );
    const places = lanes(state).map((lane) => `${lane.partition}/${lane.lane} at ${lane.next}`);
    return [...units, ...places].join("; ");
  }

  #say(line: () => string): void {
    this.#trace?.(`${String(this.#time.now).padStart(6)} ${line()}`);
  }
}

function describe(change: Change): string {
  switch (change.op) {
    case "message":
      return change.content;
    case "truncate":
      return `truncate ${change.tables.map(({ name }) => name).join(", ")}`;
    case "insert":
      return `insert ${change.table.name} ${change.after.join("|")}`;
    case "delete":
      return `delete ${change.table.name} ${change.before.join("|")}`;
    case "update":
      return `update ${change.table.name} ${change.before.join("|")} to ${change.after.join("|")}`;
  }
}

/** Often a few transactions before the 32 bits of the stream begin anew. */
function firstXid(random: Random): bigint {
  const near = BigInt(10 + random.int(120));
  return random.of([1_000n, (1n << 32n) - near, (1n << 31n) - near, 5n * (1n << 32n) - near]);
}

function kindOf(unit: string): string {
  return unit === SHARED_UNIT ? "shared" : unit === WHOLE_UNIT ? "whole" : "tenant";
}

function isPassing(error: unknown): boolean {
  if (error instanceof RehouseError) return error.policy === "retry";
  return error instanceof ConnectionLost || (error instanceof ServerError && error.isPassing);
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${error.stack ?? error.message}${error.cause === undefined ? "" : `\ncause: ${stackOf(error.cause)}`}`;
}

/** Ids in order, the same schema the same id. */
function registry(): SchemaRegistry {
  const schemas: string[] = [];
  return {
    register: async (_, schema) => {
      const known = schemas.indexOf(schema);
      return known < 0 ? schemas.push(schema) - 1 : known;
    },
    schema: async (id) => schemas[id] ?? "",
    subjects: async () => [],
    remove: async () => undefined,
  };
}
