/** A process tells the target that it works, and hears from it whether to end. */

import { hostname } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import type { Role, RunEvent } from "../cli/engine.ts";
import type { RehouseError } from "../errors.ts";
import type { Database } from "../ports.ts";
import { type Wait, Waits } from "./waits.ts";

const BEAT_MS = 1_000;

export class Heart {
  readonly #target: Database;
  readonly #migration: string;
  readonly role: Role;
  readonly #onEvent: (event: RunEvent) => void;
  readonly #waits = new Waits();
  #wasThere = false;

  constructor(of: {
    readonly target: Database;
    readonly migration: string;
    readonly role: Role;
    readonly onEvent: (event: RunEvent) => void;
  }) {
    this.#target = of.target;
    this.#migration = of.migration;
    this.role = of.role;
    this.#onEvent = of.onEvent;
  }

  /** Shown by `status` until the next call for the same part of the role; undefined when all is well with it again. */
  report(error: RehouseError | undefined, part = ""): void {
    if (error === undefined) {
      this.#waits.well(part, Date.now());
      return;
    }
    const isToBeSaid = this.#waits.failed(part, error, Date.now());
    const wait = this.#waits.of(part);
    if (isToBeSaid && wait !== undefined) this.#onEvent({ level: "warning", role: this.role, text: sentence(wait) });
  }

  /** Beats until `signal` aborts; calls `cancelled` when the migration is being cancelled or is gone. */
  async run(signal: AbortSignal, cancelled: () => void): Promise<void> {
    // Processes of this role that are gone, with what they said last.
    await this.#target
      .query("DELETE FROM rehouse.process WHERE migration = $1 AND role = $2 AND beat_at < now() - interval '5 seconds'", [
        this.#migration,
        this.role,
      ])
      .catch(() => undefined);
    while (!signal.aborted) {
      await this.#beat(cancelled).catch(() => undefined); // The target is away: the role itself says so.
      await delay(BEAT_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #beat(cancelled: () => void): Promise<void> {
    const [row] = await this.#target.query("SELECT state FROM rehouse.migration WHERE name = $1", [this.#migration]);
    // Before the migration has begun there is nothing to tell, and nothing to be cancelled.
    if (row === undefined && !this.#wasThere) return;
    this.#wasThere = true;
    if ((row?.["state"] ?? "cancelling") === "cancelling") {
      cancelled();
      return;
    }
    const wait = this.#waits.longest;
    await this.#target.query(
      `INSERT INTO rehouse.process (migration, host, pid, role, rss_bytes, error) VALUES ($1, $2, $3, $4, $5, $6::jsonb)
       ON CONFLICT (migration, host, pid, role) DO UPDATE SET beat_at = now(), rss_bytes = EXCLUDED.rss_bytes, error = EXCLUDED.error`,
      [
        this.#migration,
        hostname(),
        String(process.pid),
        this.role,
        String(process.memoryUsage.rss()),
        wait === undefined ? null : JSON.stringify(document(wait)),
      ],
    );
  }

  /** The last word: with the error that ended the role, or nothing left of it. */
  async stop(error: RehouseError | undefined): Promise<void> {
    const key = [this.#migration, hostname(), String(process.pid), this.role];
    await (error === undefined
      ? this.#target.query("DELETE FROM rehouse.process WHERE migration = $1 AND host = $2 AND pid = $3 AND role = $4", key)
      : this.#target.query(
          "UPDATE rehouse.process SET error = $5::jsonb, beat_at = now() - interval '1 hour' WHERE migration = $1 AND host = $2 AND pid = $3 AND role = $4",
          [...key, JSON.stringify(error)],
        )
    ).catch(() => undefined);
  }
}

function sentence({ error, sinceMs, attempts }: Wait): string {
  const where = error.where === undefined ? "" : ` (${error.where})`;
  const seconds = Math.round((Date.now() - sinceMs) / 1_000);
  return `${seconds < 60 ? "waits" : `has waited for ${Math.round(seconds / 60)} min, ${attempts} attempts`}: ${error.message}${where}`;
}

function document({ error, sinceMs, attempts }: Wait) {
  return { ...error.toJSON(), since: new Date(sinceMs).toISOString(), attempts };
}
