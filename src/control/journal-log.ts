/**
 * What the journal says, told by the log: phases, stops, switches, differences, whoever caused them, be it another process or a verb. The
 * journal is the truth and keeps all; the log has each line once, as it comes, without the values of rows.
 */

import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import type { Logger } from "../log.ts";
import { isAt, isJournalEvent, LOG_EVENTS } from "../log-events.ts";
import { arrayText } from "../model/sql.ts";
import type { Database, Row } from "../ports.ts";
import { JournalCursor } from "./journal-cursor.ts";

const LOOK_EVERY_MS = 1_000;
/** Told with one look; a switch of thousands of tenants is told within some seconds. */
const MOST_ENTRIES = 2_000;

export class JournalLog {
  readonly #state: Database;
  readonly #migration: string;
  readonly #log: Logger;
  #cursor: JournalCursor | undefined;

  constructor(state: Database, migration: string, log: Logger) {
    this.#state = state;
    this.#migration = migration;
    this.#log = log;
  }

  /** What is written from now on will be told. Called again, it changes nothing: what comes while a stage begins anew is not left out. */
  async begin(): Promise<void> {
    await this.#begun().catch((error: unknown) => this.#cannotRead(error));
  }

  /** Tells until `signal` aborts, and then what came last; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    for (let isLast = false; !isLast; ) {
      isLast = signal.aborted;
      try {
        await this.#look();
      } catch (error) {
        this.#cannotRead(error);
      }
      await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #look(): Promise<void> {
    const cursor = await this.#begun();
    // Of all migrations: the numbers of theirs are no gaps.
    const rows = await this.#state.query(
      `SELECT entry, migration, tenant, event, detail::text AS detail FROM rehouse.journal
        WHERE entry > $1 OR entry = ANY ($2::bigint[]) ORDER BY entry LIMIT ${MOST_ENTRIES}`,
      [String(cursor.last), arrayText(cursor.gaps(Date.now()).map(String))],
    );
    cursor.seen(
      rows.map((row) => Number(row["entry"])),
      Date.now(),
    );
    for (const row of rows) if (row["migration"] === this.#migration) tell(row, this.#log);
  }

  async #begun(): Promise<JournalCursor> {
    this.#cursor ??= new JournalCursor(await journalEnd(this.#state));
    return this.#cursor;
  }

  #cannotRead(error: unknown): void {
    this.#log.debug({ event: "journal-not-read", error }, "the journal cannot be read now");
  }
}

/** 0 before the state tables are there. */
async function journalEnd(state: Database): Promise<number> {
  const [there] = await state.query("SELECT pg_catalog.to_regclass('rehouse.journal') IS NOT NULL AS there");
  if (there?.["there"] !== "t") return 0;
  const [row] = await state.query("SELECT coalesce(max(entry), 0) AS entry FROM rehouse.journal");
  return Number(row?.["entry"] ?? 0);
}

const detailShape = z.record(z.string(), z.unknown());

function tell(row: Row, log: Logger): void {
  const event = row["event"] ?? "";
  if (!isJournalEvent(event)) return;
  const { meaning } = LOG_EVENTS[event];
  const detail = detailShape.safeParse(JSON.parse(row["detail"] ?? "{}"));
  const more = detail.success ? short(detail.data) : {};
  const fields = { tenant: row["tenant"] ?? undefined, ...more, entry: Number(row["entry"]) };
  if (isAt(event, "error")) log.error({ event, ...fields }, meaning);
  else if (isAt(event, "warn")) log.warn({ event, ...fields }, meaning);
  else if (isAt(event, "info")) log.info({ event, ...fields }, meaning);
}

/** What a record has of its own; `role` in the journal is a database's. */
const TAKEN = new Set(["level", "time", "migration", "role", "feed", "event", "tenant", "entry", "msg"]);

/** Numbers, names and sentences. Keys and images of rows are lists and objects, and stay in the journal. */
function short(detail: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(detail).filter(([name, value]) => !TAKEN.has(name) && value !== null && typeof value !== "object"),
  );
}
