/**
 * Brings rows of tables in place in step with themselves. These are the application's own rows, under its own traffic, so:
 *
 * - We never wait for a lock while we hold a row: rows that somebody holds are passed over and come later, at last one by one, each in a transaction of
 *   its own. So no deadlock has us in it, and the application is never the victim of one.
 * - A row of ours is held for the length of one statement over few rows. That is all that a writer may wait for.
 * - It comes before the lane's place moves, not with it: what a crash leaves undone or undone twice is the same in the end.
 * - Whoever has lost the lane, or whose tenant has left since, must not write: each transaction holds the lane as the reader knows it (RH001).
 */

import { setTimeout as delay } from "node:timers/promises";
import { RehouseError } from "../errors.ts";
import { tableText } from "../model/mapping.ts";
import { arrayText } from "../model/sql.ts";
import { ConnectionLost, type Param, type PipelineResult, ServerError, type Session, type Statement } from "../ports.ts";
import type { InPlaceWriter } from "./in-place-writer.ts";
import type { LaneName, Place } from "./membership.ts";
import type { Plan } from "./plan.ts";
import { type OrderedChanges, type Touched, touched } from "./statements.ts";
import { loopMarker } from "./table-writer.ts";

/** At 5 us a row a millisecond, which no writer notices. */
const ROWS_A_TRANSACTION = 200;
/** Between two looks at rows that somebody holds; then we queue for them. */
const PAUSES_MS = [2, 5, 10, 20, 50, 100];
/** In the queue for one row. A deadlock is looked for only after deadlock_timeout, so we are gone by then. */
const MOST_LOCK_MS = 500;
/** Then the lane says what it waits for, and begins again. */
const PATIENCE_MS = 10_000;
const LOCK_NOT_AVAILABLE = "55P03";

type Keys = readonly (readonly string[])[];

export class InPlaceRows {
  readonly #name: LaneName;
  readonly #open: () => Promise<Session>;
  readonly #visible: (xids: ReadonlySet<number>) => Promise<void>;
  #session: Promise<Session> | undefined;
  #closed = false;

  /** `visible`: resolves when the source shows these transactions: a commit is in the stream before it is. */
  constructor(of: {
    readonly name: LaneName;
    readonly open: () => Promise<Session>;
    readonly visible: (xids: ReadonlySet<number>) => Promise<void>;
  }) {
    this.#name = of.name;
    this.#open = of.open;
    this.#visible = of.visible;
  }

  /** When it resolves, every row that these changes name is equal to its expressions as of the change or later. */
  async bring({ recent }: Pick<Plan, "recent">, changes: OrderedChanges, { membership }: Place): Promise<void> {
    for (const { writer, keys, xids } of touched(changes)) {
      // Who changed a row before its last change had ended by then: its lock was waited for. A row that somebody asked for had no lock.
      await this.#visible(new Set([...xids, ...recent]));
      for (let from = 0; from < keys.length; from += ROWS_A_TRANSACTION)
        await this.#touch(writer, keys.slice(from, from + ROWS_A_TRANSACTION), membership);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const session = this.#session;
    await (await session?.catch(() => undefined))?.close(true);
  }

  async #touch(writer: Touched["writer"], keys: Keys, membership: bigint): Promise<void> {
    let open = await this.#once(writer, writer.free, keys, membership);
    for (const pause of PAUSES_MS) {
      if (open.length === 0) return;
      await delay(pause);
      open = await this.#once(writer, writer.free, open, membership);
    }
    const deadline = performance.now() + PATIENCE_MS;
    for (const key of open) await this.#queueFor(writer, key, membership, deadline);
  }

  async #queueFor(writer: InPlaceWriter, key: readonly string[], membership: bigint, deadline: number): Promise<void> {
    for (;;) {
      try {
        await this.#once(writer, writer.held, [key], membership);
        return;
      } catch (error) {
        if (!(error instanceof ServerError) || error.sqlstate !== LOCK_NOT_AVAILABLE) throw error;
        if (performance.now() > deadline) throw held(writer, key, error);
      }
    }
  }

  /**
   * One transaction. Resolves to the keys of the rows that differed and were not written: somebody holds them. One that was written may differ again by
   * now, for a change that is still to come in the stream: whoever waited for that would follow a busy row for as long as it is busy.
   */
  async #once(writer: InPlaceWriter, sql: string, keys: Keys, membership: bigint): Promise<Keys> {
    const session = await this.#connected();
    const columns = (keys[0] ?? []).map((_, column) => arrayText(keys.map((key) => key[column] ?? "")));
    const hold: Param[] = [this.#name.migration, String(this.#name.partition), this.#name.lane, String(membership)];
    const results = await inTransaction(session, [
      { sql: loopMarker(this.#name.migration) },
      { sql: "SELECT rehouse.hold_lane($1, $2::int, $3, $4::bigint)", params: hold },
      { sql: writer.differing, params: columns },
      { sql, params: columns },
    ]);
    const [differing, written] = [results.at(-3), results.at(-2)].map((result) =>
      (result?.rows ?? []).map((row) => columns.map((_, index) => row[`k${index}`] ?? "")),
    );
    const isWritten = new Set(written?.map((key) => arrayText(key)));
    return differing?.filter((key) => !isWritten.has(arrayText(key))) ?? [];
  }

  #connected(): Promise<Session> {
    if (this.#closed) throw new ConnectionLost("the lane is over");
    this.#session ??= this.#open().then(async (session) => {
      await session.query(
        `SELECT set_config('lock_timeout', least(${MOST_LOCK_MS}, setting::int / 2)::text, false) FROM pg_settings WHERE name = 'deadlock_timeout'`,
      );
      return session;
    });
    return this.#session;
  }
}

function held({ table }: InPlaceWriter, key: readonly string[], cause: ServerError): RehouseError {
  return new RehouseError("REHOUSE_UNREACHABLE", {
    what: `for ${PATIENCE_MS / 1_000} s somebody has held the row ${key.join(", ")} of ${tableText(table.source)}, so that its new columns could not be brought in step`,
    where: tableText(table.source),
    fix: "find the transaction that lasts (SELECT pid, xact_start, query FROM pg_stat_activity ORDER BY xact_start) and let it end",
    cause,
  });
}

async function inTransaction(session: Session, statements: readonly Statement[]): Promise<PipelineResult[]> {
  try {
    return await session.pipeline([{ sql: "BEGIN ISOLATION LEVEL READ COMMITTED" }, ...statements, { sql: "COMMIT" }]);
  } catch (error) {
    if (error instanceof ServerError) await session.query("ROLLBACK");
    throw error;
  }
}
