/**
 * Offset notes: where a late tenant's lane has to begin. A note says: every transaction with xid >= `xid_ceiling` has all its messages at
 * or after `offsets`.
 *
 * Why that holds. Beats of one run are emitted one after the other, each after the commit of the one before. Beat k gets its own xid after
 * beat k-1 has committed, and ids are given out in order: a transaction with an xid >= that of beat k got it later still, so its own commit
 * record stands behind that of beat k-1, and the stream brings it later. When the commit of beat k-1 came through the stream, all messages
 * before it had been handed to the outbox (those that had been held back too: a commit releases them), and the batch that was then
 * being gathered is the first that can hold anything later. So that transaction's messages were sent in that batch or after it, and land at
 * or after the offsets that Kafka had confirmed before that batch was sent. Those offsets, together with the xid of beat k, are the note.
 *
 * The xmax of a snapshot would not do for the xid: it is the one after the newest *completed* transaction. One that has its id already, and
 * that may even be in the WAL, invisible while it waits for a standby, can be at or beyond it.
 *
 * The offsets of beat k itself would not do: such a transaction may commit before beat k does. Beats of another run of capture prove nothing:
 * when they are sent again, what came behind them may be in the topic already, sent by that run, and before the offsets of now.
 */

import { Bell } from "../bell.ts";
import { RehouseError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { JournalEvent } from "../log-events.ts";
import { formatLsn, type Lsn, ZERO_LSN } from "../model/position.ts";
import { ConnectionLost, type Database } from "../ports.ts";
import { redactDeep } from "../redact.ts";
import type { Beat } from "./beat.ts";

/** Next offset of each partition, index = partition. */
export type Offsets = readonly bigint[];

export type Note = { readonly lsn: Lsn; readonly xidCeiling: bigint; readonly offsets: Offsets };

/** Pairs each beat of this run with the one before it. Pure. */
export class NoteMaker {
  readonly #run: string;
  #previous: { readonly beat: Beat; readonly offsets: Offsets } | undefined;

  constructor(run: string) {
    this.#run = run;
  }

  /** `offsets`: what Kafka had confirmed before the batch with the beat's commit was sent. */
  beat(beat: Beat, lsn: Lsn, offsets: Offsets): Note | undefined {
    if (beat.run !== this.#run) return undefined;
    const previous = this.#previous;
    this.#previous = { beat, offsets };
    if (previous === undefined || previous.beat.number !== beat.number - 1) return undefined;
    return { lsn, xidCeiling: beat.xid, offsets: previous.offsets };
  }
}

/** At the very first start, before anything is published: every transaction of the stream is at or after the topic's beginning. */
export async function writeFirstNote(target: Database, migration: string, low: Offsets): Promise<void> {
  await target.query(
    `INSERT INTO rehouse.offset_note (migration, lsn, xid_ceiling, offsets)
     SELECT $1::text, $2::text::pg_lsn, '0', $3::text::bigint[] WHERE NOT EXISTS (SELECT FROM rehouse.offset_note WHERE migration = $1)
     ON CONFLICT DO NOTHING`,
    [migration, formatLsn(ZERO_LSN), array(low)],
  );
}

const RECORD = `
  WITH note AS (
    INSERT INTO rehouse.offset_note (migration, lsn, xid_ceiling, offsets)
    SELECT $1::text, $2::text::pg_lsn, $3::text::xid8, $4::text::bigint[] WHERE $2::text IS NOT NULL
    ON CONFLICT DO NOTHING
  ), progress AS (
    INSERT INTO rehouse.capture AS c (migration, lsn, changes, lag_ms, at, tenants_seen)
    VALUES ($1::text, $5, $6, $7, clock_timestamp(), $8)
    ON CONFLICT (migration) DO UPDATE
       SET lsn = excluded.lsn, changes = c.changes + excluded.changes, lag_ms = excluded.lag_ms, at = excluded.at, tenants_seen = excluded.tenants_seen
  )
  SELECT EXISTS (
    SELECT FROM rehouse.tenant WHERE migration = $1 AND phase IN ('planned', 'expanding', 'backfilling', 'catching-up', 'cutting-over')
  ) AS hurried
`;

/** Keeps the newest notes, beyond them the first of each minute; the very first is the first of its minute. */
const PRUNE = `
  DELETE FROM rehouse.offset_note AS note
  USING (
    SELECT lsn,
           row_number() OVER (ORDER BY lsn DESC) AS age,
           row_number() OVER (PARTITION BY date_trunc('minute', noted_at) ORDER BY lsn) AS in_minute
      FROM rehouse.offset_note WHERE migration = $1
  ) AS ranked
  WHERE note.migration = $1 AND note.lsn = ranked.lsn AND age > 10000 AND in_minute > 1
`;
const PRUNE_EVERY_MS = 60_000;

export type Progress = { readonly acknowledged: Lsn; readonly changes: number; readonly lagMs: number };

/**
 * Writes notes and progress to the state tables, one statement at a time. Capture does not wait for it: while a statement is under way the
 * newest note replaces the one that waits. A target that cannot be reached only makes notes rarer, so it is waited out.
 */
export class Recorder {
  readonly #target: Database;
  readonly #migration: string;
  readonly #tenantsSeen: string;
  readonly #log: Logger;
  #note: Note | undefined;
  #progress: Progress | undefined;
  #entries: { readonly event: JournalEvent; readonly detail: Readonly<Record<string, string>> }[] = [];
  readonly #bell = new Bell();
  #prunedAt = 0;
  /** Whether some tenant is still on its way. */
  isHurried = true;

  /** `tenantsSeen`: what rehouse.capture.tenants_seen says of this run. */
  constructor(target: Database, migration: string, tenantsSeen: string, log: Logger) {
    this.#target = target;
    this.#migration = migration;
    this.#tenantsSeen = tenantsSeen;
    this.#log = log;
  }

  record(note: Note | undefined, progress: Progress): void {
    this.#note = note ?? this.#note;
    this.#progress = { ...progress, changes: progress.changes + (this.#progress?.changes ?? 0) };
    this.#bell.ring();
  }

  /** Puts a line into the journal. */
  journal(event: JournalEvent, detail: Readonly<Record<string, string>>): void {
    this.#entries.push({ event, detail });
    this.#bell.ring();
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.#progress === undefined && this.#entries.length === 0) await this.#bell.wait(signal);
      try {
        await this.#write();
      } catch (error) {
        if (!isPassing(error)) throw error;
        this.#log.warn({ event: "notes-not-written", error }, "capture goes on, but its notes cannot be written now");
      }
    }
  }

  async #write(): Promise<void> {
    for (let entry = this.#entries[0]; entry !== undefined; entry = this.#entries[0]) {
      await this.#target.query("INSERT INTO rehouse.journal (migration, event, detail) VALUES ($1, $2, $3::jsonb)", [
        this.#migration,
        entry.event,
        JSON.stringify(redactDeep(entry.detail)),
      ]);
      this.#entries.shift();
    }
    const note = this.#note;
    const progress = this.#progress;
    if (progress === undefined) return;
    this.#note = undefined;
    this.#progress = undefined;
    const [row] = await this.#target.query(RECORD, [
      this.#migration,
      note === undefined ? null : formatLsn(note.lsn),
      note === undefined ? null : String(note.xidCeiling),
      note === undefined ? null : array(note.offsets),
      formatLsn(progress.acknowledged),
      String(progress.changes),
      String(progress.lagMs),
      this.#tenantsSeen,
    ]);
    this.isHurried = row?.["hurried"] === "t";
    if (Date.now() - this.#prunedAt < PRUNE_EVERY_MS) return;
    this.#prunedAt = Date.now();
    await this.#target.query(PRUNE, [this.#migration]);
  }
}

function array(offsets: Offsets): string {
  return `{${offsets.join(",")}}`;
}

function isPassing(error: unknown): boolean {
  return error instanceof ConnectionLost || (error instanceof RehouseError && error.policy === "retry");
}
