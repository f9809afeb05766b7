/**
 * The source's side of a migration: publication and slot. Made in steps that are written down before they are taken (schemas/state),
 * so that after a crash a slot of our name is known to be ours, and is made again when its snapshot was not kept.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { RehouseError } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import type { Mapping } from "../model/mapping.ts";
import { formatLsn, type Lsn, parseLsn } from "../model/position.ts";
import { ident, literal } from "../model/sql.ts";
import { type Database, ServerError, type SlotMaker } from "../ports.ts";
import { ensurePublication } from "./publication.ts";
import { blaming, OBJECT_IN_USE, readSlot, requireSlot, slotName } from "./slot.ts";
import { isPublished, rememberTables } from "./source-tables.ts";

export type Provision = {
  /** The slot's consistent point: every later commit is in its stream. */
  readonly lsn: Lsn;
  /** What that point sees, as pg_current_snapshot() prints it. */
  readonly snapshot: string;
};

export type ProvisionDeps = {
  readonly mapping: Mapping;
  readonly source: Database;
  readonly target: Database;
  readonly slots: SlotMaker;
};

/**
 * Makes what is missing; nothing when all is there. Idempotent. The row in rehouse.migration is there already, and only one process calls
 * this at a time. REHOUSE_SLOT_EXISTS: a slot of the name is there and nothing says that it is ours. REHOUSE_SLOT_LOST and
 * REHOUSE_PUBLICATION_LOST: what was made is not whole any more, so the stream has a gap.
 */
export async function provision(deps: ProvisionDeps, signal: AbortSignal): Promise<Provision> {
  const { mapping, source, target } = deps;
  const { migration } = mapping;
  const name = slotName(migration);
  const [state] = await blaming(
    target,
    target.query("SELECT slot_intended, slot_lsn, slot_snapshot FROM rehouse.migration WHERE name = $1", [migration]),
  );
  if (state === undefined)
    throw new RehouseError("REHOUSE_NO_MIGRATION", { what: `the target knows no migration ${migration}`, where: target.place });
  const { slot_intended: intended, slot_lsn: lsn, slot_snapshot: snapshot } = state;
  if (lsn != null && snapshot != null) {
    await blaming(source, requireSlot(source, name));
    await rememberTables(source, target, mapping);
    // Mended in silence, it would hide that changes are missing.
    if (!(await isPublished(source, target, migration))) throw unpublished(name, source.place);
    return { lsn: parseLsn(lsn), snapshot };
  }
  const present = await blaming(source, readSlot(source, name));
  if (present !== undefined && intended == null) throw slotExists(name, source.place);
  await blaming(target, target.query("UPDATE rehouse.migration SET slot_intended = now() WHERE name = $1", [migration]));
  if (present !== undefined) await blaming(source, dropSlot(source, name));
  // Before the slot: the stream looks a publication up as it was when the change was made.
  await blaming(source, ensurePublication(source, name, mapping));
  await rememberTables(source, target, mapping);
  return makeSlot(deps, name, signal);
}

/** One statement: an answer that is lost is asked for again by the next look. */
const MADE = `
  WITH made AS (UPDATE rehouse.migration SET slot_lsn = $2::pg_lsn, slot_snapshot = $3 WHERE name = $1 RETURNING name)
  INSERT INTO rehouse.journal (migration, event, detail)
  SELECT name, 'slot-made', jsonb_build_object('slot', $4::text, 'lsn', $2::pg_lsn) FROM made`;

async function makeSlot(
  { mapping, source, target, slots }: ProvisionDeps,
  name: string,
  signal: AbortSignal,
): Promise<Provision> {
  await failpoint("slot.before");
  const slot = await blaming(source, slots.create(name, signal));
  try {
    await failpoint("slot.after");
    const snapshot = await blaming(source, describeSnapshot(source, slot.snapshot));
    await blaming(target, target.query(MADE, [mapping.migration, formatLsn(slot.lsn), snapshot, name]));
    return { lsn: slot.lsn, snapshot };
  } finally {
    await slot.release();
  }
}

async function describeSnapshot(source: Database, exported: string): Promise<string> {
  return source.transaction(async (session) => {
    await session.query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
    await session.query(`SET TRANSACTION SNAPSHOT ${literal(exported)}`);
    const [row] = await session.query("SELECT pg_catalog.pg_current_snapshot()::text AS snapshot");
    if (row?.["snapshot"] == null) throw new RehouseError("REHOUSE_INTERNAL", { what: "pg_current_snapshot() returned nothing" });
    return row["snapshot"];
  });
}

function slotExists(name: string, place: string): RehouseError {
  return new RehouseError("REHOUSE_SLOT_EXISTS", {
    what: `the replication slot ${name} is there, and this migration did not make it`,
    where: place,
    fix: `if nothing needs it: SELECT pg_drop_replication_slot(${literal(name)}); else give the migration another name`,
  });
}

function unpublished(name: string, place: string): RehouseError {
  return new RehouseError("REHOUSE_PUBLICATION_LOST", {
    what: `the publication ${name} is gone, or no longer publishes everything that moves: changes since then are missing from the stream`,
    where: place,
    fix: "`rehouse resync`, then `rehouse run`: the rows that differ are read again",
  });
}

/** Takes slot and publication away; nothing happens when they are not there. */
export async function removeProvision(source: Database, migration: string): Promise<void> {
  const name = slotName(migration);
  await blaming(source, dropSlot(source, name));
  await blaming(source, source.query(`DROP PUBLICATION IF EXISTS ${ident(name)}`));
}

const UNDEFINED_OBJECT = "42704";
const READER_LEAVES_MS = 10_000;

/** A slot that is read cannot be dropped, so its reader is ended first; the server takes a moment to let go of the slot. */
async function dropSlot(source: Database, name: string): Promise<void> {
  for (const deadline = Date.now() + READER_LEAVES_MS; ; await sleep(50)) {
    const slot = await readSlot(source, name);
    // Another database's has the same name by chance, and is somebody else's.
    if (slot === undefined || !slot.isHere) return;
    if (slot.activePid !== undefined) await source.query("SELECT pg_catalog.pg_terminate_backend($1)", [String(slot.activePid)]);
    try {
      await source.query("SELECT pg_catalog.pg_drop_replication_slot($1)", [name]);
      return;
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      // One whose making was cut off goes by itself.
      if (error.sqlstate === UNDEFINED_OBJECT) return;
      if (error.sqlstate !== OBJECT_IN_USE || Date.now() > deadline) throw error;
    }
  }
}
