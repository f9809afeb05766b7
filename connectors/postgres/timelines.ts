/** The history of a server's timelines, which only a replication connection tells (manual, "Streaming Replication Protocol"). */

import type { Client } from "pg";
import { type Lsn, parseLsn } from "../../src/model/position.ts";
import type { TimelineHistory } from "../../src/ports.ts";

/** Of the server that `client` is connected to for replication; a new timeline means a new connection. */
export async function readTimelines(client: Client): Promise<TimelineHistory> {
  const [system] = await ask(client, "IDENTIFY_SYSTEM");
  const timeline = Number(system?.["timeline"]);
  if (!Number.isSafeInteger(timeline)) throw new Error("IDENTIFY_SYSTEM returned no timeline");
  // The first one has no history.
  if (timeline === 1) return { timeline, ended: new Map() };
  const [history] = await ask(client, `TIMELINE_HISTORY ${timeline}`);
  return { timeline, ended: parseHistory(history?.["content"] ?? "") };
}

const LINE = /^\s*(\d+)\s+([0-9A-F]+\/[0-9A-F]+)/;

/** A line for each timeline on the way: its number, where it ended, and why; `#` begins a comment. */
export function parseHistory(content: string): ReadonlyMap<number, Lsn> {
  const ended = new Map<number, Lsn>();
  for (const line of content.split("\n")) {
    const [, timeline, end] = LINE.exec(line) ?? [];
    if (timeline !== undefined && end !== undefined) ended.set(Number(timeline), parseLsn(end));
  }
  return ended;
}

/** The file's content is of type bytea before version 15, but is sent as it is. */
const AS_SENT = { getTypeParser: () => String };

async function ask(client: Client, command: string): Promise<Record<string, string>[]> {
  const { rows } = await client.query<Record<string, string>>({ text: command, types: AS_SENT });
  return rows;
}
