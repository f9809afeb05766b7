/** The migration's slot on the source: its name, its state, and what a failed stream means in the light of it. */

import { RehouseError } from "../errors.ts";
import { isMirror, migrationOf } from "../model/mirror.ts";
import { type Lsn, parseLsn, ZERO_LSN } from "../model/position.ts";
import { ConnectionLost, type Database, ServerError } from "../ports.ts";

/**
 * Also the publication's name. A migration's name is at most 40 characters, so this is never cut. It begins with a letter, so that the second underscore
 * tells the mirror of `m` from a migration `m-reverse`.
 */
export function slotName(migration: string): string {
  const words = (name: string) => name.replaceAll(/[^a-z0-9_]/g, "_");
  return isMirror(migration) ? `rehouse__${words(migrationOf(migration))}_reverse` : `rehouse_${words(migration)}`;
}

export type SlotState = {
  readonly database: string;
  /** Whether that is the database that was asked: a server has one name for all of its databases' slots. */
  readonly isHere: boolean;
  readonly plugin: string;
  readonly activePid: number | undefined;
  /** Since nobody reads it; undefined: somebody does, or the server (before version 17) does not say. */
  readonly inactiveForMs: number | undefined;
  readonly confirmed: Lsn;
  /** As pg_replication_slots has it. */
  readonly walStatus: string;
  readonly isLost: boolean;
  /** WAL that is kept for it, and how much of that is not acknowledged; undefined on a standby. */
  readonly retainedBytes: number | undefined;
  readonly lagBytes: number | undefined;
  /** How much more WAL may be written before the slot is lost; undefined: as much as the disk takes. */
  readonly safeBytes: number | undefined;
};

export async function readSlot(source: Database, slot: string): Promise<SlotState | undefined> {
  const [row] = await source.query(
    `SELECT database, plugin, active_pid, confirmed_flush_lsn, wal_status, safe_wal_size, database = pg_catalog.current_database() AS here,
            written - restart_lsn AS retained, written - confirmed_flush_lsn AS lag,
            (extract(epoch FROM clock_timestamp() - (pg_catalog.to_jsonb(s) ->> 'inactive_since')::timestamptz) * 1000)::bigint AS inactive_ms
       FROM pg_catalog.pg_replication_slots AS s,
            (SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_current_wal_lsn() END AS written) AS wal
      WHERE slot_name = $1`,
    [slot],
  );
  if (row === undefined) return undefined;
  const confirmed = row["confirmed_flush_lsn"];
  const number = (column: string) => (row[column] == null ? undefined : Number(row[column]));
  return {
    database: row["database"] ?? "",
    isHere: row["here"] === "t",
    plugin: row["plugin"] ?? "",
    activePid: number("active_pid"),
    inactiveForMs: number("inactive_ms"),
    confirmed: confirmed == null ? ZERO_LSN : parseLsn(confirmed),
    walStatus: row["wal_status"] ?? "unknown",
    isLost: row["wal_status"] === "lost",
    retainedBytes: number("retained"),
    lagBytes: number("lag"),
    safeBytes: number("safe_wal_size"),
  };
}

/** The state of a slot that has to be there. */
export async function requireSlot(source: Database, slot: string): Promise<SlotState> {
  const state = await readSlot(source, slot);
  if (state === undefined) throw lost(slot, source.place, "is gone");
  if (state.isLost) throw lost(slot, source.place, "no longer has the WAL that it needs");
  return state;
}

function lost(slot: string, place: string, how: string): RehouseError {
  return new RehouseError("REHOUSE_SLOT_LOST", {
    what: `the replication slot ${slot} ${how}: changes since it was last read are missing from the stream`,
    where: place,
    fix: "`rehouse resync`, then `rehouse run`; raise max_slot_wal_keep_size if the slot fell too far behind",
  });
}

export const OBJECT_IN_USE = "55006";

/** Settles as `work` does, but says in the words of the closed list of errors which server failed. */
export async function blaming<T>(database: Database, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw namedFailure(error, database.place);
  }
}

/** The same for the stream of a slot. What it failed of is asked of the source: the server's own sentence comes in its own language. */
export async function blamingStream(source: Database, slot: string, stream: Promise<void>): Promise<void> {
  try {
    await stream;
  } catch (error) {
    if (!(error instanceof ServerError)) throw namedFailure(error, source.place);
    const { activePid } = await blaming(source, requireSlot(source, slot));
    if (error.sqlstate !== OBJECT_IN_USE) throw namedFailure(error, source.place);
    throw new RehouseError("REHOUSE_SLOT_ACTIVE", {
      what: `another process reads the replication slot ${slot}${activePid === undefined ? "" : `, served by backend ${activePid}`}`,
      where: source.place,
      fix: "stop the other capture of this migration; a broken one is noticed by the server after wal_sender_timeout",
      cause: error,
    });
  }
}

function namedFailure(error: unknown, place: string): unknown {
  if (error instanceof ConnectionLost)
    return new RehouseError("REHOUSE_UNREACHABLE", {
      what: `the connection to Postgres broke: ${error.message}`,
      where: place,
      cause: error,
    });
  if (error instanceof ServerError)
    return new RehouseError(error.isPassing ? "REHOUSE_UNREACHABLE" : "REHOUSE_SERVER", {
      what: `Postgres answered with an error: ${error.message} (SQLSTATE ${error.sqlstate})`,
      where: place,
      cause: error,
    });
  return error;
}
