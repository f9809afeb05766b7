/**
 * Compares the rows of a tenant that have changed since it was last found equal, source through the mapping against target. Behind the fence, when
 * all is applied and nobody writes, what still differs is a difference.
 */

import { Sessions as OpenSessions, readServerFacts } from "../compare/index.ts";
import { Secrets } from "../evidence/index.ts";
import { holdsRowsOf, type TableMapping, tableText } from "../model/mapping.ts";
import {
  type Difference,
  describe,
  partitionRoots,
  rowsWithKeys,
  type Sessions,
  type Sides,
  type Suspect,
  scanTable,
  sidesOf,
  suspectsOf,
} from "../verify/index.ts";
import type { ChangedTable, RowKey } from "./changed-rows.ts";
import type { Feed } from "./leg.ts";

/** Rows asked for by one statement. */
const ROWS_A_STATEMENT = 1_000;

export type Compared = {
  /** Rows that were not equal, with the tables whose rows were too many to be named. */
  readonly unequal: readonly ChangedTable[];
  readonly suspects: ReadonlyMap<TableMapping, readonly Suspect[]>;
};

/** Sessions and statements for one tenant, made before the fence. */
export class Comparison implements AsyncDisposable {
  readonly #feed: Feed;
  readonly #tenant: string;
  readonly #open: OpenSessions;
  readonly #sessions: Sessions;
  readonly #sides: ReadonlyMap<TableMapping, Sides>;

  private constructor(
    feed: Feed,
    tenant: string,
    open: OpenSessions,
    sessions: Sessions,
    sides: ReadonlyMap<TableMapping, Sides>,
  ) {
    this.#feed = feed;
    this.#tenant = tenant;
    this.#open = open;
    this.#sessions = sessions;
    this.#sides = sides;
  }

  static async prepare(feed: Feed, tenant: string): Promise<Comparison> {
    const open = new OpenSessions();
    try {
      const [source, target, facts] = await Promise.all([
        open.open(feed.source, "rehouse cutover"),
        open.open(feed.target, "rehouse cutover"),
        readServerFacts(feed.mapping, feed.source, feed.target),
      ]);
      const roots = await partitionRoots(source);
      const tables = feed.mapping.tables.filter((table) => holdsRowsOf(table, tenant));
      const sides = tables.map(
        (table) => [table, sidesOf(feed.mapping, table, facts, roots.has(tableText(table.source)))] as const,
      );
      return new Comparison(feed, tenant, open, { source, target }, new Map(sides));
    } catch (error) {
      await open.closeAll();
      throw error;
    }
  }

  async compare(changed: readonly ChangedTable[]): Promise<Compared> {
    const suspects = new Map<TableMapping, readonly Suspect[]>();
    const unequal: ChangedTable[] = [];
    for (const { table, rows } of changed) {
      const sides = this.#sides.get(table);
      if (sides === undefined) continue;
      // Keys that an expression makes cannot be looked up by what the stream says.
      const { found, isWhole } =
        rows === "any" || !sides.keyIsPlain ? await this.#scan(sides) : { found: await this.#rows(sides, rows), isWhole: false };
      if (found.length === 0) continue;
      suspects.set(table, found);
      unequal.push({ table, rows: isWhole ? "any" : found.map(({ key }) => key) });
    }
    return { unequal, suspects };
  }

  /** Row by row, as `verify` shows them. */
  async describe({ suspects }: Compared): Promise<{ table: string; differences: Difference[] }[]> {
    const { migration, target, secrets } = this.#feed;
    const shown = await Secrets.of(target, migration, secrets);
    const described = [];
    for (const [table, found] of suspects) {
      const sides = this.#sides.get(table);
      if (sides === undefined) continue;
      const settled = found.map((suspect) => ({ ...suspect, verdict: "differs" as const }));
      const name = tableText(table.source);
      const differences = await describe(this.#sessions, sides, this.#tenant, settled, {
        migration,
        secrets: shown,
        table: name,
      });
      described.push({ table: name, differences });
    }
    return described;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#open.closeAll();
  }

  async #scan(sides: Sides): Promise<{ found: readonly Suspect[]; isWhole: true }> {
    const { suspects } = await scanTable(this.#sessions, sides, [this.#tenant]);
    return { found: suspects, isWhole: true };
  }

  async #rows(sides: Sides, keys: readonly RowKey[]): Promise<Suspect[]> {
    const found: Suspect[] = [];
    for (let from = 0; from < keys.length; from += ROWS_A_STATEMENT) {
      const some = keys.slice(from, from + ROWS_A_STATEMENT);
      const [source, target] = await Promise.all([
        rowsWithKeys(this.#sessions.source, sides.source, this.#tenant, some),
        rowsWithKeys(this.#sessions.target, sides.target, this.#tenant, some),
      ]);
      found.push(...suspectsOf(source, target));
    }
    return found;
  }
}

/** What has to be looked at again: what was unequal, and what changed since. */
export function together(some: readonly ChangedTable[], more: readonly ChangedTable[]): ChangedTable[] {
  const tables = new Map<TableMapping, ChangedTable>();
  for (const each of [...some, ...more]) {
    const before = tables.get(each.table);
    const rows =
      before === undefined ? each.rows : before.rows === "any" || each.rows === "any" ? "any" : [...before.rows, ...each.rows];
    tables.set(each.table, { table: each.table, rows });
  }
  return [...tables.values()];
}

/** How many rows that are; Infinity where it is not known. */
export function sizeOf(changed: readonly ChangedTable[]): number {
  return changed.reduce((sum, { rows }) => sum + (rows === "any" ? Number.POSITIVE_INFINITY : rows.length), 0);
}
