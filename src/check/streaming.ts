/** What a server needs to stream its changes to us: a setting, a slot, a walsender, and no leftovers under our names. */

import { flag, number, text } from "../catalog/fields.ts";
import { ident, literal } from "../model/sql.ts";
import type { Row } from "../ports.ts";
import { error, type Finding, warning } from "./finding.ts";

/** The stream needs one of each; a second one is for the restart that finds the first not yet given back. */
const WANTED = 2;
const MIN_WAL_KEEP_BYTES = 10 * 1024 ** 3;

/** Select list of what is asked; takes the name of slot and publication. */
export const STREAMING = `
  current_setting('wal_level') AS wal_level,
  current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots) AS slots_free,
  current_setting('max_wal_senders')::int - (SELECT count(*) FROM pg_stat_replication) AS senders_free,
  pg_size_bytes(current_setting('max_slot_wal_keep_size')) AS wal_keep,
  current_setting('max_slot_wal_keep_size') AS wal_keep_text,
  EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1) AS slot_there,
  EXISTS (SELECT FROM pg_publication WHERE pubname = $1) AS publication_there`;

/** `begun`: slot and publication of this name are ours. `promised`: slots and walsenders that are free now and that others of ours will take. */
export function streamingFindings(row: Row, place: string, slot: string, begun: boolean, promised = 0): Finding[] {
  return [
    ...walLevel(row, place),
    ...(flag(row, "slot_there") && begun
      ? []
      : [...room(row, place, "slots", promised), ...room(row, place, "senders", promised)]),
    ...walKeep(row, place),
    ...(begun ? [] : leftovers(row, place, slot)),
  ];
}

function walLevel(row: Row, place: string): Finding[] {
  const level = text(row, "wal_level");
  if (level === "logical") return [];
  return [
    error(
      "wal-level",
      place,
      `wal_level is ${level}; logical replication needs logical`,
      "ALTER SYSTEM SET wal_level = 'logical';  then restart the server",
    ),
  ];
}

function room(row: Row, place: string, kind: "slots" | "senders", promised: number): Finding[] {
  const free = number(row, `${kind}_free`) - promised;
  const [setting, thing] = kind === "slots" ? ["max_replication_slots", "replication slot"] : ["max_wal_senders", "walsender"];
  const fix = `raise ${setting} and restart the server, or free one that nothing uses any more (pg_replication_slots)`;
  const beside = promised > 0 ? " beside the one of the way there" : "";
  if (free < 1) return [error(`${kind}-free`, place, `no ${thing} is free${beside}`, fix)];
  return free < WANTED
    ? [
        warning(
          `${kind}-free`,
          place,
          `only one ${thing} is free${beside}, and a restart of capture may need it while the old one is still held`,
          fix,
        ),
      ]
    : [];
}

function walKeep(row: Row, place: string): Finding[] {
  const bytes = number(row, "wal_keep");
  if (bytes < 0 || bytes >= MIN_WAL_KEEP_BYTES) return [];
  return [
    warning(
      "slot-wal-limit",
      place,
      `max_slot_wal_keep_size is ${text(row, "wal_keep_text")}: if capture stands still for longer than that much WAL, the slot is lost and the migration begins again`,
      "ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'; SELECT pg_reload_conf();",
    ),
  ];
}

function leftovers(row: Row, place: string, slot: string): Finding[] {
  const found: Finding[] = [];
  if (flag(row, "slot_there")) {
    found.push(
      error(
        "slot-exists",
        place,
        `the replication slot ${slot} is there, and this migration did not make it`,
        `if nothing needs it: SELECT pg_drop_replication_slot(${literal(slot)});  else give the migration another name`,
      ),
    );
  }
  if (flag(row, "publication_there")) {
    found.push(
      error(
        "publication-exists",
        place,
        `the publication ${slot} is there, and this migration did not make it`,
        `if nothing needs it: DROP PUBLICATION ${ident(slot)};  else give the migration another name`,
      ),
    );
  }
  return found;
}
