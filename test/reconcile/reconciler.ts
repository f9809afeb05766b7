import { pino } from "pino";
import { NO_SECRETS } from "../../src/evidence/index.ts";
import { type ReconcileDeps, runReconcile } from "../../src/reconcile/index.ts";
import type { Move } from "../copying/index.ts";
import { waitUntil } from "../support/index.ts";

type Options = Partial<Pick<ReconcileDeps, "waitForApplied" | "settings" | "tuning" | "secrets" | "paused">>;

/** A reconciler at full speed over a move whose tenants were copied, and stand still unless a test says otherwise. */
export class Reconciler implements AsyncDisposable {
  readonly #move: Move;
  readonly #stopping = new AbortController();
  readonly #done: Promise<void>;

  constructor(move: Move, options: Options = {}) {
    this.#move = move;
    const deps: ReconcileDeps = {
      migration: "move",
      direction: "forward",
      mapping: move.mapping,
      source: move.source,
      target: move.target,
      secrets: NO_SECRETS,
      settings: { pace: 1, everyMs: 0, everyChangedMs: 0 },
      waitForApplied: async () => "passed",
      log: pino({ level: "silent" }),
      ...options,
      tuning: { rowsPerRange: 500, pollMs: 10, ...options.tuning },
    };
    this.#done = runReconcile(deps, this.#stopping.signal);
    this.#done.catch(() => undefined);
  }

  /** Resolves when every unit has come to the end of a pass that begins from now on; to what these found. */
  async nextPass(): Promise<Record<string, string | null>[]> {
    const { target } = this.#move;
    const [now] = await target.query("SELECT clock_timestamp() AS now");
    const complete = waitUntil(
      async () => {
        const units = await target.query(
          `SELECT u.source, u.tenant, e.rows, e.differences, e.unsettled, e.omitted FROM rehouse.compared_unit AS u
             LEFT JOIN LATERAL (SELECT * FROM rehouse.evidence AS e WHERE e.source = u.source AND e.tenant = u.tenant AND e.began_at > $1::timestamptz
                                 ORDER BY evidence LIMIT 1) AS e ON true
            ORDER BY source, tenant`,
          [now?.["now"] ?? ""],
        );
        return units.length > 0 && units.every((unit) => unit["rows"] !== null) ? units.map((unit) => ({ ...unit })) : undefined;
      },
      { deadlineMs: 40_000, what: "a pass of every unit", everyMs: 10 },
    );
    return Promise.race([complete, this.#done.then(() => Promise.reject(new Error("the reconciler ended")))]);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#done.catch(() => undefined);
  }
}

/** Units as control and apply would leave them: copied, caught up, on a lane. */
export async function inSync(move: Move, phase = "in-sync"): Promise<void> {
  await move.target.query("UPDATE rehouse.tenant SET phase = $1, lane = 'main'", [phase]);
}
