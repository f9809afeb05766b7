/** Looks at one side again and again, by one session whose statements are bounded. What it saw last is there for whoever asks. */

import { setTimeout as delay } from "node:timers/promises";
import type { ThrottleLimits } from "../file/index.ts";
import { type Database, ServerError, type Session } from "../ports.ts";
import { Baseline, trimmedMean } from "./baseline.ts";
import { COPYING, type Facts, readFacts } from "./facts.ts";
import { readingsOf } from "./readings.ts";
import type { Reading } from "./signal.ts";

const PROBE_EVERY_MS = 100;
/** Twenty looks are two seconds. */
const PROBES = 20;
const FACTS_EVERY_MS = 500;
/** What counts by the second is taken over so many looks: ten seconds. */
const KEPT_FACTS = 20;
const LONGEST_STATEMENT_MS = 2_000;
const AGAIN_MS = 1_000;
/** What was not renewed for so long says nothing of now. */
const STALE_MS = 5_000;
/** Some pages of a catalog by its index, and a sort: what a small query of an application does. */
const PROBE = "SELECT sum(relpages) FROM (SELECT relpages FROM pg_catalog.pg_class ORDER BY oid LIMIT 50) AS some";

export type SamplerDeps = {
  readonly side: "source" | "target";
  readonly database: Database;
  readonly migration: string;
  readonly slot: string;
  readonly limits: ThrottleLimits;
  /** Whether the backfill has work: then this server is shared with it. */
  readonly isCopying: () => boolean;
  readonly isAtFloor: () => boolean;
};

export class Sampler {
  readonly #deps: SamplerDeps;
  readonly #baseline = new Baseline();
  #probes: number[] = [];
  #facts: Facts[] = [];
  #probingSince: number | undefined;
  #name = "";

  constructor(deps: SamplerDeps) {
    this.#deps = deps;
  }

  get readings(): Reading[] {
    const { side, limits } = this.#deps;
    const underWayMs = this.#probingSince === undefined ? 0 : performance.now() - this.#probingSince;
    const ms = Math.max(this.#probes.length === 0 ? 0 : trimmedMean(this.#probes), underWayMs);
    const latency = this.#probes.length === 0 && underWayMs === 0 ? undefined : { ms, usualMs: this.#baseline.ms };
    return readingsOf(side, { latency, facts: this.#newest, before: this.#facts[0] }, limits);
  }

  /** Migrations whose backfill works on this server, this one included. */
  get copying(): number {
    return this.#newest?.copying ?? 0;
  }

  get hasLooked(): boolean {
    return this.#facts.length > 0;
  }

  get #newest(): Facts | undefined {
    const newest = this.#facts.at(-1);
    return newest === undefined || performance.now() - newest.atMs > STALE_MS ? undefined : newest;
  }

  /** Until `signal` aborts. A server that is away is the roles' to tell of; here it only says nothing. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let session: Session | undefined;
      const leave = () => void session?.close(true);
      signal.addEventListener("abort", leave, { once: true });
      try {
        session = await this.#deps.database.connect({
          name: "rehouse throttle",
          settings: {
            statement_timeout: `${LONGEST_STATEMENT_MS}ms`,
            lock_timeout: "500ms",
            default_transaction_read_only: "on",
            jit: "off",
          },
        });
        this.#name = "";
        await this.#look(session, signal);
      } catch {
        this.#probingSince = undefined;
        this.#probes = [];
        await delay(AGAIN_MS, undefined, { signal }).catch(() => undefined);
      } finally {
        signal.removeEventListener("abort", leave);
        await session?.close(true);
      }
    }
  }

  async #look(session: Session, signal: AbortSignal): Promise<void> {
    const [row] = await session.query("SELECT pg_catalog.current_setting('server_version_num') AS version");
    let factsAt = 0;
    while (!signal.aborted) {
      await this.#probe(session);
      if (performance.now() >= factsAt) {
        await this.#sayWhatIsDone(session);
        factsAt = performance.now() + FACTS_EVERY_MS;
        this.#facts = [...this.#facts.slice(1 - KEPT_FACTS), await readFacts(session, this.#deps.slot, Number(row?.["version"]))];
        if (this.#probes.length > 0) this.#baseline.look(trimmedMean(this.#probes), this.#deps.isAtFloor());
      }
      await delay(PROBE_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #probe(session: Session): Promise<void> {
    this.#probingSince = performance.now();
    try {
      await session.query(PROBE);
    } catch (error) {
      // That it was given up says how slow it was.
      if (!(error instanceof ServerError)) throw error;
    }
    this.#probes = [...this.#probes.slice(1 - PROBES), performance.now() - this.#probingSince];
    this.#probingSince = undefined;
  }

  /** Whoever shares the server sees it in pg_stat_activity, and a process that dies takes it away with itself. */
  async #sayWhatIsDone(session: Session): Promise<void> {
    const name = this.#deps.isCopying() ? `${COPYING}${this.#deps.migration}` : "rehouse throttle";
    if (name === this.#name) return;
    await session.query("SELECT pg_catalog.set_config('application_name', $1, false)", [name]);
    this.#name = name;
  }
}
