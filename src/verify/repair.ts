/**
 * Has what differs repaired: each row is asked for again through the stream (src/repair), and looked at once its tenant's lane has passed the
 * request. A row that traffic changes in the same moment is settled as any other.
 */

import { RehouseError } from "../errors.ts";
import { closeRepaired, targetClock } from "../evidence/index.ts";
import { decideForeignWrites } from "../foreign/index.ts";
import { type TableMapping, tableText } from "../model/mapping.ts";
import { askForRereads, journalEnd, journalRepairs, type Refused, refusedSince, unitsStandingStill } from "../repair/index.ts";
import type { VerifyDeps } from "./deps.ts";
import type { Difference, VerifiedTable } from "./document.ts";
import { nameOf, type Sessions, type Suspect } from "./scan.ts";
import { type SettledSuspect, settle } from "./settle.ts";
import type { Sides } from "./side.ts";

/** A table of one unit, with the rows that its document lists as differences, in the same order. */
export type Repairable = {
  readonly tenant: string;
  readonly table: TableMapping;
  readonly sides: Sides;
  readonly document: VerifiedTable;
  readonly suspects: readonly SettledSuspect[];
};

type Row = { readonly of: Repairable; readonly suspect: SettledSuspect; readonly difference: Difference };

type Asked = { readonly by: string; readonly waitForApplied: NonNullable<VerifyDeps["waitForApplied"]> };

/** A row that a late change or a row in its way has spoiled is asked for again. */
const MOST_ROUNDS = 3;

/** Marks the repaired rows in the tables' documents, and says there why others were not. */
export async function repair(
  deps: VerifyDeps,
  sessions: Sessions,
  tables: readonly Repairable[],
  { by, waitForApplied }: Asked,
  signal: AbortSignal,
): Promise<void> {
  const { migration, target } = deps;
  const possible = await withoutObstacle(deps, tables);
  // Before anything is asked for: with the policy `stop` the tenants would stop at it.
  await decideForeignWrites(target, migration, [...new Set(possible.map(({ tenant }) => tenant))], "repaired", by);
  let open = possible.flatMap(rowsOf);
  const since = await journalEnd(target);
  const asked = await targetClock(target);
  await journalRepairs(target, migration, "repair-asked", by, open.map(recordOf));
  const repaired: Row[] = [];
  for (let round = 1; open.length > 0 && round <= MOST_ROUNDS; round++) {
    await askForRereads(deps.source, migration, open.map(rereadOf));
    const left = await stillDiffering(sessions, open, waitForApplied, signal);
    repaired.push(...open.filter((row) => !left.has(row)));
    const refused = await refusedSince(target, migration, since);
    noteRefused(refused, [...left.keys()]);
    open = [...left]
      .filter(([row, verdict]) => verdict === "differs" && refusalOf(refused, row) === undefined)
      .map(([row]) => row);
  }
  for (const { difference } of repaired) difference.repaired = true;
  await closeDifferences(deps, repaired, { by, asked });
  await journalRepairs(
    target,
    migration,
    "repaired",
    by,
    repaired.map((row) => ({ ...recordOf(row), after: hashOf(row.suspect.source) })),
  );
}

async function closeDifferences(
  { target, migration }: VerifyDeps,
  repaired: readonly Row[],
  of: { readonly by: string; readonly asked: string },
): Promise<void> {
  for (const [{ tenant, document }, rows] of grouped(repaired, ({ of }) => of)) {
    const unit = { migration, direction: "forward", table: document.table, tenant } as const;
    const ids = rows.map(({ difference }) => difference.id);
    await closeRepaired(target, unit, ids, of);
  }
}

/** The tables whose rows can be asked for; the others are told why not. */
async function withoutObstacle({ target, migration }: VerifyDeps, tables: readonly Repairable[]): Promise<Repairable[]> {
  const still = await unitsStandingStill(target, migration, [...new Set(tables.map(({ tenant }) => tenant))]);
  return tables.filter(({ tenant, table, document }) => {
    const obstacle = still.get(tenant) ?? (table.key.length === 0 ? withoutKey(table) : undefined);
    if (obstacle !== undefined && document.differences.length > 0) unrepaired(document, obstacle);
    return obstacle === undefined;
  });
}

function withoutKey(table: TableMapping): RehouseError {
  const name = tableText(table.source);
  return new RehouseError("REHOUSE_NO_ROW_KEY", {
    what: `${name} has no key, so that none of its rows can be asked for alone`,
    where: name,
    fix: "give the table a key, or cancel the migration and copy it again",
  });
}

function rowsOf(of: Repairable): Row[] {
  return of.document.differences.flatMap((difference, index) => {
    const suspect = of.suspects[index];
    return suspect === undefined ? [] : [{ of, suspect, difference }];
  });
}

function rereadOf({ of: { tenant, table }, suspect }: Row) {
  return { table: tableText(table.source), kind: table.kind, unit: tenant, key: suspect.key.map((text) => text ?? "") };
}

/** Looks again once everything that was asked for is applied. */
async function stillDiffering(
  sessions: Sessions,
  rows: readonly Row[],
  waitForApplied: Asked["waitForApplied"],
  signal: AbortSignal,
): Promise<Map<Row, SettledSuspect["verdict"]>> {
  const byTable = [...grouped(rows, ({ of }) => of.sides)];
  const looked = await settle(
    sessions,
    byTable.map(([sides, some]) => ({ sides, suspects: some.map(({ suspect }): Suspect => ({ ...suspect })) })),
    waitForApplied,
    signal,
  );
  const left = new Map<Row, SettledSuspect["verdict"]>();
  for (const [index, [, some]] of byTable.entries()) {
    const verdicts = new Map((looked[index] ?? []).map(({ unit, key, verdict }) => [nameOf(unit, key), verdict]));
    for (const row of some) {
      const verdict = verdicts.get(nameOf(row.suspect.unit, row.suspect.key));
      if (verdict !== undefined) left.set(row, verdict);
    }
  }
  return left;
}

function refusalOf(refused: readonly Refused[], { of: { tenant, table }, suspect }: Row): Refused | undefined {
  const name = nameOf(tenant, suspect.key);
  return refused.find((one) => one.table === tableText(table.source) && nameOf(one.tenant, one.key) === name);
}

/** Said once a table and reason. */
function noteRefused(refused: readonly Refused[], rows: readonly Row[]): void {
  for (const row of rows) {
    const refusal = refusalOf(refused, row);
    if (refusal === undefined) continue;
    const { table, document } = row.of;
    unrepaired(
      document,
      new RehouseError("REHOUSE_CHANGE_REFUSED", {
        what: `the target refuses the row: ${refusal.what}`,
        where: tableText(table.source),
        fix: "mend the target (or the mapping) so that the row fits, then repair again",
      }),
    );
  }
}

function unrepaired(document: VerifiedTable, { code, message, fix }: RehouseError): void {
  if (document.unrepaired.some((one) => one.what === message)) return;
  document.unrepaired.push({ code, what: message, fix: fix ?? "" });
}

function grouped<Key>(rows: readonly Row[], by: (row: Row) => Key): Map<Key, Row[]> {
  const groups = new Map<Key, Row[]>();
  for (const row of rows) groups.set(by(row), [...(groups.get(by(row)) ?? []), row]);
  return groups;
}

function recordOf({ of: { tenant, table }, suspect, difference }: Row) {
  const { key, kind } = difference;
  return { tenant, table: tableText(table.source), key, kind, before: hashOf(suspect.target) };
}

function hashOf(look: Suspect["source"]): string | null {
  return look === undefined ? null : String(look.hash);
}
