/** What is built once a unit's rows are there: keys and indexes, then foreign keys. Only on tables that this migration created. */

import { attempt } from "../attempt.ts";
import { readCreated } from "../mapping/index.ts";
import { type TableName, tableText } from "../model/mapping.ts";
import type { Session } from "../ports.ts";
import type { ExpandDeps } from "./create.ts";
import { designTable, type TableDesign, tablesOf } from "./design.ts";
import { journal, lockUnit } from "./journal.ts";
import { eachAtOnce } from "./parallel.ts";
import { type Built, readBuilt, readThere } from "./there.ts";

/** Building a key takes a core and maintenance_work_mem; two leave the target room for its other work. */
const UNITS_AT_ONCE = 2;
const KEY_MEMORY = "256MB";

/** A foreign key that the target refuses, with Postgres' reason: the rows are kept, and the next call tries it again. */
export type Unmade = { readonly unit: string; readonly table: TableName; readonly name: string; readonly reason: string };

type Refused = Omit<Unmade, "unit">;

/**
 * Primary keys, unique and exclusion constraints, then plain indexes. A table that all tenants share gets them with the first unit that asks.
 * A unique violation rejects with Postgres' error (23505): the copied rows do not fit the key. Idempotent.
 */
export async function finishKeys(deps: ExpandDeps, units: readonly string[], signal?: AbortSignal): Promise<void> {
  const ours = await readOurs(deps);
  /** Common tables that one of these units has taken on: the others need not ask again. */
  const asked = new Set<string>();
  await eachAtOnce(units, UNITS_AT_ONCE, signal, async (unit) => {
    const designs = designsOf(deps, unit, ours);
    // A big common table is finished by itself, so that a crash loses the work of one; a tenant's small ones go together.
    const own = designs.filter((design) => !design.pooled);
    const common = designs.filter((design) => design.pooled && !asked.has(tableText(design.target)));
    for (const design of common) asked.add(tableText(design.target));
    for (const group of [own, ...common.map((design) => [design])]) {
      if (group.length > 0)
        await deps.target.transaction((session) => buildKeys(session, deps.move.mapping.migration, unit, group));
    }
  });
}

async function buildKeys(session: Session, migration: string, unit: string, designs: readonly TableDesign[]): Promise<void> {
  await lockTables(session, migration, unit, designs);
  const built = await readBuilt(
    session,
    designs.map((design) => design.target),
  );
  const missing = designs.flatMap((design) => missingKeys(design, built));
  if (missing.length === 0) return;
  await journal(
    session,
    migration,
    unit,
    "keys-built",
    missing.map(({ target, name }) => ({ schema: target.schema, table: target.table, name })),
  );
  await session.query(`SET LOCAL maintenance_work_mem = '${KEY_MEMORY}'`);
  await session.query(missing.map(({ sql }) => sql).join(";\n"));
}

function missingKeys(design: TableDesign, built: Built) {
  return [...design.constraints, ...design.indexes]
    .filter(({ name }) => !built.has(design.target, name))
    .map((part) => ({ ...part, target: design.target }));
}

/**
 * Foreign keys within what moves: added NOT VALID, then validated. A key that is refused (the shared rows are not there yet, say) is told, and
 * tried again by the next call. Idempotent.
 */
export async function finishForeignKeys(deps: ExpandDeps, units: readonly string[], signal?: AbortSignal): Promise<Unmade[]> {
  const ours = await readOurs(deps);
  const unmade: Unmade[] = [];
  await eachAtOnce(units, UNITS_AT_ONCE, signal, async (unit) => {
    const designs = designsOf(deps, unit, ours).filter((design) => design.foreignKeys.length > 0);
    if (designs.length === 0) return;
    const added = await deps.target.transaction((session) => addForeignKeys(session, deps.move.mapping.migration, unit, designs));
    const validated = await validateForeignKeys(deps, designs);
    unmade.push(...[...added, ...validated].map((refused) => ({ unit, ...refused })));
  });
  return unmade;
}

async function addForeignKeys(
  session: Session,
  migration: string,
  unit: string,
  designs: readonly TableDesign[],
): Promise<Refused[]> {
  await lockTables(session, migration, unit, designs);
  const built = await readBuilt(
    session,
    designs.map((design) => design.target),
  );
  const missing = designs.flatMap(({ target, foreignKeys }) =>
    foreignKeys.filter((key) => !built.has(target, key.name)).map(({ name, add }) => ({ target, name, sql: add })),
  );
  await journal(
    session,
    migration,
    unit,
    "foreign-keys-added",
    missing.map(({ target, name }) => ({ schema: target.schema, table: target.table, name })),
  );
  return together(session, missing);
}

/** Each by itself: validating takes as long as reading the table, and holds locks that long. */
async function validateForeignKeys({ target: database }: ExpandDeps, designs: readonly TableDesign[]): Promise<Refused[]> {
  const built = await readBuilt(
    database,
    designs.map((design) => design.target),
  );
  const pending = designs.flatMap(({ target, pooled, foreignKeys }) =>
    foreignKeys.flatMap(({ name, validate }) =>
      validate === undefined || !built.has(target, name) || built.isValidated(target, name)
        ? []
        : [{ target, name, sql: validate, pooled }],
    ),
  );
  const unmade: Refused[] = [];
  const own = pending.filter((one) => !one.pooled);
  for (const group of [own, ...pending.filter((one) => one.pooled).map((one) => [one])]) {
    if (group.length > 0) unmade.push(...(await database.transaction((session) => together(session, group))));
  }
  return unmade;
}

/** All in one round trip; where one is refused, one by one, so that the others are made. */
async function together(
  session: Session,
  statements: readonly { target: TableName; name: string; sql: string }[],
): Promise<Refused[]> {
  if (statements.length === 0) return [];
  if ((await attempt(session, statements.map(({ sql }) => sql).join(";\n"))) === undefined) return [];
  const unmade: Refused[] = [];
  for (const { target, name, sql } of statements) {
    const error = await attempt(session, sql);
    if (error !== undefined)
      unmade.push({ table: target, name, reason: [error.message, error.detail].filter((part) => part !== undefined).join(": ") });
  }
  return unmade;
}

export type Progress = { readonly created: boolean; readonly keys: boolean; readonly foreignKeys: boolean };

/** How far the unit's target is, from its catalog alone. Tables that were there before count as done. */
export async function readProgress(deps: ExpandDeps, unit: string): Promise<Progress> {
  const ours = await readOurs(deps);
  const all = tablesOf(deps.move, unit).map((table) => designTable(deps.move, table, unit));
  const targets = all.map((design) => design.target);
  const there = await readThere(deps.target, targets);
  const created = targets.every((target) => there.relations.has(tableText(target)));
  const designs = all.filter((design) => ours.has(tableText(design.target)));
  const built = await readBuilt(
    deps.target,
    designs.map((design) => design.target),
  );
  return {
    created,
    keys: created && designs.every((design) => missingKeys(design, built).length === 0),
    foreignKeys:
      created &&
      designs.every(({ target, foreignKeys }) =>
        foreignKeys.every(
          (key) => built.has(target, key.name) && (key.validate === undefined || built.isValidated(target, key.name)),
        ),
      ),
  };
}

async function readOurs({ move, target }: ExpandDeps): Promise<ReadonlySet<string>> {
  return new Set((await readCreated(target, move.mapping.migration, "table")).map(tableText));
}

function designsOf({ move }: ExpandDeps, unit: string, ours: ReadonlySet<string>): TableDesign[] {
  return tablesOf(move, unit)
    .map((table) => designTable(move, table, unit))
    .filter((design) => ours.has(tableText(design.target)));
}

/** Tenants that share a table take turns at it. */
async function lockTables(session: Session, migration: string, unit: string, designs: readonly TableDesign[]): Promise<void> {
  await lockUnit(session, migration, unit);
  for (const design of designs.filter((one) => one.pooled)) await lockUnit(session, migration, tableText(design.target));
}
