/** What is kept of each criterion of each tenant that soaks, and what of it goes into the journal. */

import { journal } from "../control/journal.ts";
import type { JournalEvent } from "../log-events.ts";
import type { Database } from "../ports.ts";
import type { Finding } from "./criterion.ts";

/** A tenant that lives at the target, under watch. */
export type Soaking = { readonly tenant: string; readonly generation: number; readonly schema: string | undefined };

export type Kept = {
  readonly failures: number;
  readonly checkedMsAgo: number;
  readonly isTripped: boolean;
  readonly problem: string | undefined;
};

export class Records {
  readonly #target: Database;
  readonly #migration: string;

  constructor(target: Database, migration: string) {
    this.#target = target;
    this.#migration = migration;
  }

  async soaking(): Promise<Soaking[]> {
    const rows = await this.#target.query(
      `SELECT t.tenant, r.generation, r.schema FROM rehouse.tenant AS t
         JOIN rehouse.route AS r ON r.migration = t.migration AND r.tenant = t.tenant
        WHERE t.migration = $1 AND t.phase = 'soaking' AND r.home = 'target' ORDER BY t.tenant`,
      [this.#migration],
    );
    return rows.map((row) => ({
      tenant: row["tenant"] ?? "",
      generation: Number(row["generation"]),
      schema: row["schema"] ?? undefined,
    }));
  }

  /** By tenant and criterion; what belongs to an earlier switch is not there. */
  async kept(): Promise<ReadonlyMap<string, Kept>> {
    const rows = await this.#target.query(
      `SELECT c.tenant, c.criterion, c.failures, c.problem, c.tripped_at IS NOT NULL AS tripped,
              (extract(epoch FROM clock_timestamp() - c.checked_at) * 1000)::bigint AS ago
         FROM rehouse.soak_check AS c
         JOIN rehouse.route AS r ON r.migration = c.migration AND r.tenant = c.tenant AND r.generation = c.generation
        WHERE c.migration = $1`,
      [this.#migration],
    );
    return new Map(
      rows.map((row) => [
        keyOf(row["tenant"] ?? "", row["criterion"] ?? ""),
        {
          failures: Number(row["failures"]),
          checkedMsAgo: Number(row["ago"]),
          isTripped: row["tripped"] === "t",
          problem: row["problem"] ?? undefined,
        },
      ]),
    );
  }

  /** Keeps what was found, and journals it when the criterion has tripped or no longer holds. */
  async keep(soaking: Soaking, criterion: string, was: Kept | undefined, finding: Finding, failures: number): Promise<void> {
    const asked = finding.kind === "asked" ? finding : undefined;
    const problem = finding.kind === "problem" ? finding.problem : null;
    await this.#target.transaction(async (session) => {
      await session.query(
        `INSERT INTO rehouse.soak_check AS was (migration, tenant, criterion, generation, value, failures, problem, tripped_at)
         VALUES ($1, $2, $3, $4::bigint, $5, $6::int, $7, CASE WHEN $8::boolean THEN clock_timestamp() END)
         ON CONFLICT (migration, tenant, criterion) DO UPDATE
           SET generation = excluded.generation, value = coalesce(excluded.value, was.value), failures = excluded.failures, problem = excluded.problem,
               checked_at = clock_timestamp(),
               tripped_at = CASE WHEN excluded.generation <> was.generation THEN excluded.tripped_at
                                 WHEN excluded.problem IS NOT NULL THEN was.tripped_at
                                 WHEN excluded.tripped_at IS NOT NULL THEN coalesce(was.tripped_at, excluded.tripped_at) END`,
        [
          this.#migration,
          soaking.tenant,
          criterion,
          String(soaking.generation),
          asked?.value ?? null,
          String(failures),
          problem,
          asked?.holds === true ? "t" : "f",
        ],
      );
      if (asked === undefined || asked.holds === (was?.isTripped ?? false)) return;
      const event = asked.holds ? "soak-tripped" : "soak-recovered";
      await journal(session, this.#migration, event, { criterion, value: asked.value }, soaking.tenant);
    });
  }

  /** What holds now of each tenant, in words with values. */
  async tripped(): Promise<ReadonlyMap<string, string>> {
    const rows = await this.#target.query(
      `SELECT c.tenant, string_agg(c.criterion || ' (' || c.value || ')', '; ' ORDER BY c.tripped_at) AS because
         FROM rehouse.soak_check AS c
         JOIN rehouse.route AS r ON r.migration = c.migration AND r.tenant = c.tenant AND r.generation = c.generation
        WHERE c.migration = $1 AND c.tripped_at IS NOT NULL GROUP BY c.tenant`,
      [this.#migration],
    );
    return new Map(rows.map((row) => [row["tenant"] ?? "", row["because"] ?? ""]));
  }

  async journal(tenant: string, event: JournalEvent, detail: Readonly<Record<string, unknown>>): Promise<void> {
    await journal(this.#target, this.#migration, event, detail, tenant);
  }
}

export function keyOf(tenant: string, criterion: string): string {
  return JSON.stringify([tenant, criterion]);
}
