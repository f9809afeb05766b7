/** The migration's slot on the source: its name, its state, and what a failed stream means in the light of it. */

import { RehouseError } from "../errors.ts";
import { type Lsn, parseLsn, ZERO_LSN } from "../model/position.ts";
import { ConnectionLost, type Database, ServerError } from "../ports.ts";

/** Also the publication's name. A migration's name is at most 40 characters, so this is never cut. */
export function slotName(migration: string): string {
  return `rehouse_${migration.replaceAll(/[^a-z0-9_]/g, "_")}`;
}

export type SlotState = {
  readonly database: string;
  readonly plugin: string;
  readonly activePid: number | undefined;
  readonly confirmed: Lsn;
  readonly isLost: boolean;
};

export async function readSlot(source: Database, slot: string): Promise<SlotState | undefined> {
  const [row] = await source.query(
    "SELECT database, plugin, active_pid, confirmed_flush_lsn, wal_status FROM pg_catalog.pg_replication_slots WHERE slot_name = $1",
    [slot],
  );
  if (row === undefined) return undefined;
  const confirmed = row["confirmed_flush_lsn"];
  return {
    database: row["database"] ?? "",
    plugin: row["plugin"] ?? "",
    activePid: row["active_pid"] == null ? undefined : Number(row["active_pid"]),
    confirmed: confirmed == null ? ZERO_LSN : parseLsn(confirmed),
    isLost: row["wal_status"] === "lost",
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
