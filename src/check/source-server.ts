/** Whether the source can stream its changes to us: settings, free slots, the migration's slot and publication. */

import { flag, number, text } from "../catalog/fields.ts";
import type { Database, Row } from "../ports.ts";
import { error, type Finding, warning } from "./finding.ts";
import { STREAMING, streamingFindings } from "./streaming.ts";
import { versionFindings } from "./versions.ts";

export type SourceQuestions = {
  /** The migration's slot and publication. */
  readonly slot: string;
  /** Whether the target knows the migration: then slot and publication are ours. */
  readonly begun: boolean;
  /** Whether standbys are to have a copy of the slot. */
  readonly failover: boolean;
};

export async function checkSourceServer(source: Database, { slot, begun, failover }: SourceQuestions): Promise<Finding[]> {
  const [row] = await source.query(
    `
    SELECT current_setting('server_version_num') AS version, pg_is_in_recovery() AS standby,
      current_setting('synchronized_standby_slots', true) AS awaited, ${STREAMING}`,
    [slot],
  );
  if (row === undefined) return [];
  const place = `source ${source.place}`;
  return [
    ...versionFindings("source", source.place, number(row, "version")),
    ...standby(row, place),
    ...streamingFindings(row, place, slot, begun),
    ...(failover ? failoverSlot(row, place) : []),
  ];
}

function failoverSlot(row: Row, place: string): Finding[] {
  if (number(row, "version") < 170_000)
    return [
      error(
        "slot-failover",
        place,
        "its slots have no copies on standbys: that came with Postgres 17",
        "take failoverSlot out of the file; after a failover the migration then begins again",
      ),
    ];
  if (text(row, "awaited") !== "") return [];
  return [
    warning(
      "failover-order",
      place,
      "changes are captured before a standby has them: one that takes over without them would end the migration",
      "set synchronized_standby_slots to the physical slots of the standbys that may take over",
    ),
  ];
}

function standby(row: Row, place: string): Finding[] {
  if (!flag(row, "standby")) return [];
  return [
    error(
      "source-standby",
      place,
      "the server is a standby: it takes neither a publication nor the markers that Rehouse writes to the WAL",
      "give the primary's address as source",
    ),
  ];
}
