/** What there is in a seed's world before anything moves: the source with its clients, the topic, the target, and who judges. */

import { partitionOf, topicPartitions } from "../../src/capture/index.ts";
import { SHARED_UNIT, WHOLE_UNIT } from "../../src/model/mapping.ts";
import type { SchemaRegistry } from "../../src/ports.ts";
import { Random } from "../support/random.ts";
import { Checks } from "./checks.ts";
import { History } from "./history.ts";
import type { Hooks } from "./hooks.ts";
import { Network } from "./network.ts";
import { newTenant } from "./rules.ts";
import { type Change, type Committed, Source } from "./source.ts";
import { SourceServer } from "./source-server.ts";
import { type LaneRow, laneKey, tenantKey } from "./state.ts";
import { Slot } from "./stream.ts";
import { type Layout, layoutOf } from "./tables.ts";
import { type Advance, Target } from "./target.ts";
import type { VirtualTime } from "./time.ts";
import { Group, Topic } from "./topic.ts";
import { Traffic } from "./traffic.ts";

const TENANT_PARTITIONS = 2;
/**
 * How long the clients write. A seed's cost is in the starts of its processes as much as in its changes, so that short ones find more in the same time. What
 * comes to tenants that move later than others needs a history.
 */
const TRAFFIC_MS = { short: 400, long: 1_400 };
const SHORT_FOR_A_LONG_ONE = { withLateTenants: 1, without: 7 };

export class Scene {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly network: Network;
  readonly hooks: Hooks;
  readonly units: Units;
  readonly trafficMs: number;
  readonly source: Source;
  readonly slot = new Slot();
  /** The snapshot that the slot was made with. */
  readonly slotSnapshot: string;
  readonly sourceServer: SourceServer;
  readonly target: Target;
  readonly topic: Topic;
  readonly group: Group;
  readonly history: History;
  readonly checks: Checks;
  readonly traffic: Traffic;
  readonly registry: SchemaRegistry;
  /** Late lanes that have applied something. */
  readonly lateLanes = new Set<string>();
  /** Whether somebody has told the appliers to wait. */
  isPaused = false;
  readonly #trace: ((line: string) => void) | undefined;

  constructor(seed: number, time: VirtualTime, hooks: Hooks, trace: ((line: string) => void) | undefined) {
    this.time = time;
    this.hooks = hooks;
    this.#trace = trace;
    this.random = new Random(seed);
    this.network = new Network(time, this.random);
    this.registry = registry(this.network);
    const layout = layoutOf(this.random.int(4));
    this.source = new Source(firstXid(this.random));
    this.units = unitsOf(layout, this.random);
    const short = SHORT_FOR_A_LONG_ONE[this.units.late.length > 0 ? "withLateTenants" : "without"];
    this.trafficMs = this.random.int(1 + short) === 0 ? TRAFFIC_MS.long : TRAFFIC_MS.short;
    const { partitions, tenantPartitions } = this.units;
    this.history = new History({
      layout,
      partitions,
      tenantPartitions,
      partitionOf: this.units.partitionOf,
      moves: (tenant) => this.units.early.includes(tenant) || this.units.late.includes(tenant),
    });
    this.checks = new Checks(this.history, () => this.target);
    const rates = { lostBefore: this.random.int(12), lostAfter: this.random.int(12), refused: this.random.int(8) };
    const { source, network, slot, checks } = this;
    this.sourceServer = new SourceServer({ source, network, layout, slot, rates, hooks });
    const onAdvance = (advance: Advance) => this.#advanced(advance);
    this.target = new Target({ layout, partitions: tenantPartitions, rates, hooks, onAdvance });
    const onAppend: ConstructorParameters<typeof Topic>[0]["onAppend"] = (partition, message) =>
      checks.appended(partition, message);
    this.topic = new Topic({ partitions, network, hooks, onAppend });
    this.group = new Group(network, partitions);
    this.traffic = new Traffic({
      source,
      layout,
      network,
      tenants: this.units.writers,
      hasSlowStandby: hooks.slowStandby,
      onPoison: (value) => this.target.rows.refused.add(value),
    });
    let captured = false;
    source.onCommit.add((committed) => {
      this.say(() => describeCommit(committed));
      this.history.commit(committed, this.units.all, captured);
    });
    this.slotSnapshot = this.#begin();
    captured = true;
  }

  get layout(): Layout {
    return this.units.layout;
  }

  say(line: () => string): void {
    this.#trace?.(`${String(this.time.now).padStart(6)} ${line()}`);
  }

  #advanced(advance: Advance): void {
    const { from, to, changes } = advance;
    if (from.lane !== "main") this.lateLanes.add(laneKey(from.partition, from.lane));
    this.say(
      () => `lane ${from.partition}/${from.lane} ${from.next} -> ${to.next} at ${to.lsn}:${to.ordinal}, ${changes} changes`,
    );
    this.checks.advanced(advance);
  }

  /** The source as it is found, the slot, and what the first start writes into the state tables. Returns the slot's snapshot. */
  #begin(): string {
    this.traffic.seed();
    // One more commit that nobody sees yet, though the slot's own snapshot does.
    const hidden = this.random.int(3) === 0 ? this.traffic.hidden() : undefined;
    this.slot.confirmed = this.source.insertLsn;
    this.slot.persisted = this.slot.confirmed;
    const xmax = this.source.begin();
    xmax.complete();
    if (hidden !== undefined) this.time.after(this.random.int(1_000), () => hidden.complete());
    const lanes = Array.from({ length: this.units.partitions }, (_, partition) => mainLane(partition));
    this.#put([
      ...lanes.map((lane) => [laneKey(lane.partition, lane.lane), lane] as const),
      ...this.#newTenants(this.units.early),
    ]);
    this.time.after(100 + this.random.int(0.8 * this.trafficMs), () => this.#put(this.#newTenants(this.units.late)));
    return `${xmax.xid}:${xmax.xid}:`;
  }

  #newTenants(units: readonly string[]): (readonly [string, unknown])[] {
    return units.map((unit) => [tenantKey(unit), newTenant(unit, kindOf(unit), this.units.partitionOf(unit))]);
  }

  #put(rows: readonly (readonly [string, unknown])[]): void {
    const transaction = this.target.begin();
    for (const [key, value] of rows) {
      void transaction.lock(key);
      transaction.put(key, value);
    }
    transaction.commit();
  }
}

export type Units = {
  readonly layout: Layout;
  /** Every unit of the source, and of the tenants those whose rows its clients write. */
  readonly all: readonly string[];
  readonly writers: readonly string[];
  /** Units that move from the beginning, and that appear later. */
  readonly early: readonly string[];
  readonly late: readonly string[];
  readonly tenantPartitions: number;
  readonly partitions: number;
  readonly partitionOf: (unit: string) => number;
};

function unitsOf(layout: Layout, random: Random): Units {
  const names = ["7", "8", "9", "10"].slice(0, 2 + random.int(3));
  if (layout.whole) return unitsIn(layout, { all: [WHOLE_UNIT], writers: ["7", "8"], early: [WHOLE_UNIT], late: [] });
  const hasLate = layout.lateCopies && random.int(3) > 0;
  const staysBehind = !hasLate && random.int(2) === 0;
  const late = hasLate ? names.slice(-1 - random.int(2)) : [];
  const movers = staysBehind ? names.slice(1) : names;
  const early = [SHARED_UNIT, ...movers.filter((name) => !late.includes(name))];
  return unitsIn(layout, { all: [SHARED_UNIT, ...names], writers: names, early, late });
}

function unitsIn(layout: Layout, of: Pick<Units, "all" | "writers" | "early" | "late">): Units {
  const tenantPartitions = layout.whole || !layout.lateCopies ? 1 : TENANT_PARTITIONS;
  return {
    ...of,
    layout,
    tenantPartitions,
    partitions: topicPartitions(layout.mapping, tenantPartitions),
    partitionOf: (unit) =>
      partitionOf(
        unit === SHARED_UNIT ? { kind: "shared" } : unit === WHOLE_UNIT ? { kind: "whole" } : { kind: "tenant", tenant: unit },
        tenantPartitions,
      ),
  };
}

function kindOf(unit: string): string {
  return unit === SHARED_UNIT ? "shared" : unit === WHOLE_UNIT ? "whole" : "tenant";
}

function mainLane(partition: number): LaneRow {
  return { partition, lane: "main", next: 0n, lsn: 0n, ordinal: 0n, membership: 0n };
}

/** Often a few transactions before the 32 bits of the stream begin anew. */
function firstXid(random: Random): bigint {
  const near = BigInt(10 + random.int(120));
  return random.of([1_000n, (1n << 32n) - near, (1n << 31n) - near, 5n * (1n << 32n) - near]);
}

/** Ids in order, the same schema the same id. */
function registry(network: Network): SchemaRegistry {
  const schemas: string[] = [];
  return {
    register: async (_, schema) => {
      await network.travel();
      const known = schemas.indexOf(schema);
      return known < 0 ? schemas.push(schema) - 1 : known;
    },
    schema: async (id) => schemas[id] ?? "",
    subjects: async () => [],
    latest: async () => undefined,
    remove: async () => undefined,
  };
}

function describeCommit({ lsn, xid, changes }: Committed): string {
  return `commit ${lsn} of xid ${xid}: ${changes.map((change) => describe(change)).join("; ")}`;
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
