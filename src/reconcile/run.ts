import { setTimeout as delay } from "node:timers/promises";
import { Sessions as OpenSessions, readServerFacts } from "../compare/index.ts";
import { Secrets } from "../evidence/index.ts";
import { type TableMapping, tableText } from "../model/mapping.ts";
import { ServerError } from "../ports.ts";
import { FULL_PACE, type Pace } from "../throttle/index.ts";
import { partitionRoots } from "../verify/index.ts";
import { type CompareContext, compareRange } from "./compare.ts";
import { DEFAULT_TUNING, type ReconcileDeps } from "./deps.ts";
import { finishRange, putBack } from "./finish.ts";
import { cutShorter, type Lease, type LeaseContext, leaseNext, ownerOf } from "./lease.ts";
import { noteObstacle, OBSTACLE_REST_MS, obstacleOf } from "./obstacles.ts";
import { Meter, restAfter } from "./pace.ts";
import { Schedule } from "./schedule.ts";
import { registerUnits } from "./units.ts";

/** Between two looks for tenants that can be compared by now. */
const REGISTER_EVERY_MS = 1_000;
/** A look at many tenants takes its time, and comes less often. */
const REGISTER_REST_TIMES = 50;
/** How long a unit rests whose lane is behind. */
const LANE_REST_MS = 2_000;
/** A range that takes longer makes the next ones of its table smaller; one that takes less lets them grow again. */
const LONG_RANGE_MS = 1_000;
const SHORT_RANGE_MS = 250;
const FEWEST_ROWS = 100;
/** query_canceled: statement_timeout. */
const TIMED_OUT = "57014";

/**
 * Compares what is on both sides, range after range, until `signal` aborts; then it resolves. Any number of processes may do so for one
 * migration. Rejects when a connection is lost; a new call goes on from the state tables.
 */
export async function runReconcile(deps: ReconcileDeps, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const open = new OpenSessions();
  const stop = () => void open.closeAll();
  signal.addEventListener("abort", stop, { once: true });
  try {
    const reconciler = await Reconciler.open(deps, open);
    await reconciler.run(signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener("abort", stop);
    await open.closeAll();
  }
}

class Reconciler {
  readonly #context: LeaseContext & CompareContext;
  readonly #meter: Meter;
  /** Rows of the next range, by table, where it is not the usual number. */
  readonly #rows: Map<string, number>;
  #registerAt = 0;

  private constructor(context: LeaseContext & CompareContext, meter: Meter, rows: Map<string, number>) {
    this.#context = context;
    this.#meter = meter;
    this.#rows = rows;
  }

  static async open(deps: ReconcileDeps, open: OpenSessions): Promise<Reconciler> {
    const tuning = { ...DEFAULT_TUNING, ...deps.tuning };
    const meter = new Meter();
    const session = async (database: ReconcileDeps["source"], settings: Readonly<Record<string, string>>) =>
      meter.metered(await open.open(database, "rehouse reconcile", settings));
    // Whoever waits for a lock on a table must not wait for us, nor we for them; and one core a side is enough for what is in no hurry.
    const reading = {
      statement_timeout: `${tuning.statementMs}ms`,
      lock_timeout: "2s",
      default_transaction_read_only: "on",
      max_parallel_workers_per_gather: "0",
    };
    const [source, target, state] = await Promise.all([
      session(deps.source, reading),
      session(deps.target, reading),
      session(deps.target, { synchronous_commit: "off" }),
    ]);
    const rows = new Map<string, number>();
    const context = {
      deps,
      tuning,
      facts: await readServerFacts(deps.mapping, deps.source, deps.target),
      secrets: await Secrets.of(deps.target, deps.migration, deps.secrets),
      partitionRoots: await partitionRoots(source),
      sessions: { source, target, state },
      owner: await ownerOf(state),
      schedule: new Schedule(state, deps),
      rowsPerRange: (table: TableMapping) => rows.get(tableText(table.source)) ?? tuning.rowsPerRange,
    };
    return new Reconciler(context, meter, rows);
  }

  get #pace(): Pace {
    return this.#context.deps.pace ?? FULL_PACE;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { deps, tuning } = this.#context;
    while (!signal.aborted) {
      const isPaused = deps.paused?.() === true || this.#pace.now() === 0;
      const table = isPaused ? undefined : await this.#step(signal);
      const workedMs = this.#meter.take();
      if (table !== undefined) this.#adapt(table, workedMs);
      const restMs = restAfter(workedMs, deps.settings.pace);
      await delay(table === undefined ? Math.max(restMs, tuning.pollMs) : restMs, undefined, { signal }).catch(() => undefined);
      // Its own pace is a part of its time; of that whole time, work and rest, it takes the part that the move has.
      if (table !== undefined) await this.#pace.rest(workedMs + restMs, signal);
    }
  }

  /** Compares one range, and resolves to its table; undefined: there is nothing to compare now. */
  async #step(signal: AbortSignal): Promise<TableMapping | undefined> {
    const { deps, sessions } = this.#context;
    if (performance.now() >= this.#registerAt) {
      const began = performance.now();
      await registerUnits(sessions.state, deps);
      const now = performance.now();
      this.#registerAt = now + Math.max(REGISTER_EVERY_MS, REGISTER_REST_TIMES * (now - began));
    }
    const lease = await leaseNext(this.#context);
    if (lease === undefined) return undefined;
    try {
      await this.#compare(lease, signal);
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      await this.#giveUp(lease, error);
    }
    return lease.table;
  }

  async #compare(lease: Lease, signal: AbortSignal): Promise<void> {
    const { sessions, owner } = this.#context;
    const result = await compareRange(this.#context, lease, signal);
    if (result !== undefined) return finishRange(sessions.state, owner, lease, result);
    await putBack(sessions.state, owner, lease);
    await noteObstacle(sessions.state, lease.unit, "its changes are far behind, or not being applied", LANE_REST_MS);
  }

  /** What a server refuses is one unit's trouble. A range that takes too long becomes two. */
  async #giveUp(lease: Lease, error: ServerError): Promise<void> {
    const { sessions, owner, deps } = this.#context;
    const rows = Math.max(FEWEST_ROWS, this.#context.rowsPerRange(lease.table) >> 3);
    if (error.sqlstate === TIMED_OUT && (await cutShorter(this.#context, lease, rows))) {
      this.#rows.set(tableText(lease.table.source), rows);
      return;
    }
    const why = obstacleOf(this.#context, lease.unit, error);
    deps.log.warn(
      { event: "range-not-compared", table: lease.unit.table, tenant: lease.unit.tenant, why },
      "a range could not be compared",
    );
    await putBack(sessions.state, owner, lease);
    await noteObstacle(sessions.state, lease.unit, why, OBSTACLE_REST_MS);
  }

  #adapt(table: TableMapping, workedMs: number): void {
    const { rowsPerRange, tuning } = this.#context;
    const rows = rowsPerRange(table);
    const next = workedMs > LONG_RANGE_MS ? rows / 2 : workedMs < SHORT_RANGE_MS ? rows * 2 : rows;
    this.#rows.set(tableText(table.source), Math.round(Math.min(Math.max(next, FEWEST_ROWS), tuning.rowsPerRange)));
  }
}
