import { ConnectionLost, type Database, type Session } from "../ports.ts";

/**
 * - A role's own time limits would end a long scan, or an epoch that waits.
 * - row_security off: a policy that would hide rows from us becomes an error, else the copy and its checksum would both lack them.
 * - jit: compiling a checksum costs more than a chunk's worth of it.
 * - client_connection_check_interval: a query whose process was killed ends within seconds, and with it the lease of its chunk.
 */
const SETTINGS = {
  statement_timeout: "0",
  lock_timeout: "0",
  idle_in_transaction_session_timeout: "0",
  row_security: "off",
  jit: "off",
  client_connection_check_interval: "5s",
} as const;

/** The sessions of a piece of work that lasts: each is on this list until it is closed. */
export class Sessions {
  readonly #open = new Map<Session, Database>();
  #closing: Promise<unknown> = Promise.resolve();
  #closed = false;

  /** One that is still being opened when all are closed is closed as soon as it is there, and rejected as lost. */
  async open(database: Database, name: string, settings: Readonly<Record<string, string>> = {}): Promise<Session> {
    const session = await database.connect({ name, settings: { ...SETTINGS, ...settings } });
    if (this.#closed) {
      await session.close(true);
      throw new ConnectionLost("the work that the session was for has ended");
    }
    this.#open.set(session, database);
    // transaction_timeout is new in PG 17, and an unknown setting at the session's start would refuse it.
    await session.query(
      "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name = 'transaction_timeout'",
    );
    return session;
  }

  /** Rolls back what is open in it. Never rejects. */
  async close(session: Session): Promise<void> {
    if (this.#open.delete(session)) await session.close(true);
  }

  /** Cancels what the sessions run and closes them, so that whatever waits for one of them rejects. Never rejects. */
  async closeAll(): Promise<void> {
    this.#closed = true;
    const open = [...this.#open];
    this.#open.clear();
    this.#closing = Promise.all([this.#closing, ...open.map(([session, database]) => cancelAndClose(session, database))]);
    await this.#closing;
  }
}

/** Without the cancellation a server notices the end of a connection only when it next sends a row. It may be gone: a failure is no news. */
async function cancelAndClose(session: Session, database: Database): Promise<void> {
  await database.query("SELECT pg_catalog.pg_cancel_backend($1::int)", [String(session.pid)]).catch(() => undefined);
  await session.close(true);
}
