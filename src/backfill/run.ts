import { readServerFacts, Sessions } from "../compare/index.ts";
import { serverFailure } from "../server-failure.ts";
import { ChunkSizes, FULL_PACE } from "../throttle/index.ts";
import { type BackfillDeps, type Context, DEFAULT_TUNING } from "./deps.ts";
import { EpochHolder } from "./epoch.ts";
import { rest } from "./waiting.ts";
import { Worker } from "./worker.ts";
import { openWriter } from "./writer.ts";

const DEFAULT_WORKERS = 2;
const GOES_ON = "the copy then goes on from the last committed chunk";

/**
 * Copies every wave that control has put up (a row of rehouse.wave, its target tables made), chunk by chunk, until `signal` aborts; then it
 * resolves. Any number of processes may do so for one migration. Rejects with a RehouseError; what was under way is then rolled back, and
 * a new call goes on from the ledger.
 */
export async function runBackfill(deps: BackfillDeps, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const stopped = new AbortController();
  const sessions = new Sessions();
  const stop = () => stopped.abort(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  stopped.signal.addEventListener("abort", () => void sessions.closeAll(), { once: true });
  try {
    await work(await contextOf(deps), deps, sessions, stopped);
  } catch (error) {
    if (!signal.aborted)
      throw serverFailure(error, { where: `${deps.source.place} → ${deps.target.place}`, whenBack: GOES_ON }) ?? error;
  } finally {
    signal.removeEventListener("abort", stop);
    await sessions.closeAll();
  }
}

async function contextOf(deps: BackfillDeps): Promise<Context> {
  const { migration, mapping, source, target, log, ensureKeys, compare = true, tuning = {} } = deps;
  const facts = await readServerFacts(mapping, source, target);
  const { pace = FULL_PACE } = deps;
  return { migration, mapping, source, target, log, ensureKeys, compare, facts, pace, tuning: { ...DEFAULT_TUNING, ...tuning } };
}

/** The first worker that fails stops the others; they have ended when this rejects. */
async function work(context: Context, deps: BackfillDeps, sessions: Sessions, stopped: AbortController): Promise<void> {
  const epochs = new EpochHolder(context, sessions);
  const sizes = new ChunkSizes(context.tuning.chunkMs);
  const workers: Worker[] = [];
  let failure: { readonly error: unknown } | undefined;
  for (let index = 0; index < Math.max(1, deps.workers ?? DEFAULT_WORKERS); index++) {
    const { session, triggersFire } = await openWriter(sessions, context.target, `rehouse backfill write ${index + 1}`);
    if (triggersFire && index === 0)
      context.log.warn(
        { event: "triggers-fire" },
        "the target's role may not set session_replication_role: its triggers fire for copied rows",
      );
    workers.push(new Worker(context, sessions, epochs, sizes, session));
  }
  await Promise.all(
    workers.map(async (worker, index) => {
      try {
        while (!stopped.signal.aborted) await step(context, deps, worker, index === 0, epochs, stopped.signal);
      } catch (error) {
        failure ??= { error };
        stopped.abort(error);
      }
    }),
  );
  if (failure !== undefined) throw failure.error;
}

async function step(
  context: Context,
  deps: BackfillDeps,
  worker: Worker,
  isFirst: boolean,
  epochs: EpochHolder,
  signal: AbortSignal,
): Promise<void> {
  if ((await deps.paused?.()) !== true && context.pace.now() > 0) {
    const began = performance.now();
    const done = await worker.copyNext(signal);
    if (done === "chunk") await context.pace.rest(performance.now() - began, signal);
    if (done !== "nothing") return;
    if (isFirst && (await openWaitingWave(context, epochs, signal))) return;
  }
  // Nothing to do now. The epoch's own session keeps the snapshot for as long as it may still be needed.
  await worker.release();
  if (isFirst) await epochs.releaseUnneeded(await pendingWaves(context));
  await rest(context.tuning.pollMs, signal);
}

async function pendingWaves(context: Context): Promise<Set<number>> {
  const rows = await context.target.query("SELECT DISTINCT wave FROM rehouse.chunk WHERE migration = $1 AND state = 'pending'", [
    context.migration,
  ]);
  return new Set(rows.map((row) => Number(row["wave"])));
}

/** Plans the next wave that has no chunks yet, with its first epoch. */
async function openWaitingWave(context: Context, epochs: EpochHolder, signal: AbortSignal): Promise<boolean> {
  const [row] = await context.target.query(
    "SELECT wave FROM rehouse.wave WHERE migration = $1 AND NOT planned ORDER BY wave LIMIT 1",
    [context.migration],
  );
  return row !== undefined && (await epochs.open(Number(row["wave"]), undefined, signal));
}
