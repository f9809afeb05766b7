/**
 * A **beat**: a logical message that capture puts into the source's WAL and gets back through its own stream. It keeps the slot moving on
 * an idle database, measures the lag from end to end, and carries what offset notes are made of (see notes.ts).
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { Database } from "../ports.ts";

/** Prefix of all logical messages of Rehouse. */
export const PREFIX = "rehouse";

export type Beat = {
  /** Of its transaction, 64 bits. */
  readonly xid: bigint;
  /** By the clock of the capture that emitted it. */
  readonly emittedAtMs: number;
  /** The run of capture that emitted it, and which of its beats it is. */
  readonly run: string;
  readonly number: number;
};

/** `beat:<migration>:<xid>:<epoch ms>:<run>:<number>`; undefined for anything else. */
export function parseBeat(content: string, migration: string): Beat | undefined {
  const head = `beat:${migration}:`;
  if (!content.startsWith(head)) return undefined;
  const match = /^(\d+):(\d+):([0-9a-f]+):(\d+)$/.exec(content.slice(head.length));
  if (match === null) return undefined;
  return { xid: BigInt(match[1] ?? 0), emittedAtMs: Number(match[2]), run: match[3] ?? "", number: Number(match[4]) };
}

/** While a tenant is on its way the notes decide how much it reads again, and a heartbeat when it is there. */
const HURRIED_MS = 100;
const CALM_MS = 1_000;

const EMIT = `
  SELECT pg_logical_emit_message(true, '${PREFIX}', format('beat:%s:%s:%s:%s:%s', $1::text, pg_current_xact_id(), $2::text, $3::text, $4::text))
`;

/**
 * Emits beats until `signal` aborts. One follows another only when the one before has committed: notes.ts builds on that. Commits
 * locally, because a beat that waits for a standby measures nothing.
 */
export async function emitBeats(
  of: { readonly migration: string; readonly source: Database; readonly run: string; readonly hurried: () => boolean },
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return;
  const session = await of.source.connect({ name: "rehouse capture heartbeat", settings: { synchronous_commit: "local" } });
  const close = () => void session.close(true);
  signal.addEventListener("abort", close, { once: true });
  try {
    for (let number = 1; !signal.aborted; number += 1) {
      await session.query(EMIT, [of.migration, String(Date.now()), of.run, String(number)]);
      await sleep(of.hurried() ? HURRIED_MS : CALM_MS, undefined, { signal });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener("abort", close);
    await session.close(true);
  }
}
