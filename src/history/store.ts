/** {@link History} over the state tables: the migration's own at the target, the feed home's at the source. */

import { hasBegun } from "../control/begin.ts";
import { mirrorName } from "../model/mirror.ts";
import type { Database } from "../ports.ts";
import type {
  DifferencesQuery,
  Feed,
  History,
  JournalEntry,
  JournalQuery,
  KnownDifference,
  Readiness,
  TenantHistory,
} from "./history.ts";
import { readReadiness } from "./readiness.ts";
import { comparedTable, iso, journalEntry, json, knownDifference, switchUnderWay } from "./rows.ts";

/** Of a tenant's own: its life, in all likelihood. */
const NEWEST = 200;

/** Where a feed's state is. */
type State = { readonly database: Database; readonly migration: string };

export class StateHistory implements History {
  readonly #own: State;
  readonly #home: State;

  constructor({
    migration,
    source,
    target,
  }: { readonly migration: string; readonly source: Database; readonly target: Database }) {
    this.#own = { database: target, migration };
    this.#home = { database: source, migration: mirrorName(migration) };
  }

  async journal({ feed, tenant, event, before, limit }: JournalQuery): Promise<JournalEntry[]> {
    const state = await this.#stateOf(feed);
    if (state === undefined) return [];
    const rows = await state.database.query(
      `SELECT entry, ${iso("j.at", "at")}, tenant, event, detail::text AS detail FROM rehouse.journal AS j
        WHERE migration = $1 AND ($2::text IS NULL OR tenant = $2) AND ($3::text IS NULL OR event = $3)
          AND ($4::bigint IS NULL OR entry < $4::bigint) ORDER BY entry DESC LIMIT $5::int`,
      [state.migration, tenant ?? null, event ?? null, numberText(before), String(limit)],
    );
    return rows.map((row) => journalEntry(row, feed));
  }

  async differences({ feed, tenant, table, state: which, before, limit }: DifferencesQuery): Promise<KnownDifference[]> {
    const state = await this.#stateOf(feed);
    if (state === undefined) return [];
    const rows = await state.database.query(
      `SELECT difference AS entry, tenant, source, key::text AS key, kind, to_json(columns)::text AS columns, source_image::text AS source_image,
              target_image::text AS target_image, foreign_write::text AS foreign_write, ${iso("first_seen", "first_seen")},
              ${iso("last_seen", "last_seen")}, ${iso("gone_at", "gone_at")}, repaired_by
         FROM rehouse.difference
        WHERE migration = $1 AND ($2::text IS NULL OR tenant = $2) AND ($3::text IS NULL OR source = $3)
          AND CASE $4 WHEN 'open' THEN gone_at IS NULL WHEN 'gone' THEN gone_at IS NOT NULL ELSE true END
          AND ($5::bigint IS NULL OR difference < $5::bigint) ORDER BY difference DESC LIMIT $6::int`,
      [state.migration, tenant ?? null, table ?? null, which, numberText(before), String(limit)],
    );
    return rows.map((row) => knownDifference(row, feed));
  }

  async tenant(tenant: string): Promise<TenantHistory> {
    const { database, migration } = this.#own;
    const query = { tenant, event: undefined, before: undefined, limit: NEWEST };
    const [own, home, compared, comparedBack, [under], [receipt]] = await Promise.all([
      this.journal({ ...query, feed: "forward" }),
      this.journal({ ...query, feed: "reverse" }),
      this.#compared("forward", tenant),
      this.#compared("reverse", tenant),
      database.query(
        `SELECT direction, step, started_by, ${iso("began_at", "began_at")} FROM rehouse.switch
          WHERE migration = $1 AND tenant = $2 AND switched_at IS NULL`,
        [migration, tenant],
      ),
      database.query("SELECT receipt::text AS receipt FROM rehouse.receipt WHERE migration = $1 AND tenant = $2", [
        migration,
        tenant,
      ]),
    ]);
    return {
      journal: [...own, ...home].toSorted((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : b.entry - a.entry)).slice(0, NEWEST),
      comparisons: [...compared, ...comparedBack],
      switch: under === undefined ? null : switchUnderWay(under),
      receipt: receipt === undefined ? null : json(receipt, "receipt"),
    };
  }

  async readiness(signal: AbortSignal): Promise<Readiness> {
    return readReadiness({ source: this.#home.database, target: this.#own.database, migration: this.#own.migration }, signal);
  }

  async #compared(feed: Feed, tenant: string) {
    const state = await this.#stateOf(feed);
    if (state === undefined) return [];
    const rows = await state.database.query(
      `SELECT source, rows, hash, differences, unsettled, omitted, position, ${iso("compared_at", "compared_at")}, obstacle
         FROM rehouse.compared_unit WHERE migration = $1 AND tenant = $2 ORDER BY source`,
      [state.migration, tenant],
    );
    return rows.map((row) => comparedTable(row, feed));
  }

  /** Undefined: nothing is armed, or the source is away. The target has to be there. */
  async #stateOf(feed: Feed): Promise<State | undefined> {
    if (feed === "forward") return (await hasBegun(this.#own.database, this.#own.migration)) ? this.#own : undefined;
    return (await hasBegun(this.#home.database, this.#home.migration).catch(() => false)) ? this.#home : undefined;
  }
}

function numberText(value: number | undefined): string | null {
  return value === undefined ? null : String(value);
}
