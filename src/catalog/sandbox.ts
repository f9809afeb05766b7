/** Transactions in which Postgres is asked what it would say, and that leave nothing behind. */

import { type Database, ServerError, type Session } from "../ports.ts";

/** Questions are answered in this time, or not at all. */
const QUESTION_MS = 20_000;

/** `body` in a transaction that is rolled back; names in it mean what they mean to the expressions of a migration file. */
export async function rolledBack<T>(
  database: Database,
  body: (session: Session) => Promise<T>,
  { statementTimeoutMs = QUESTION_MS }: { readonly statementTimeoutMs?: number } = {},
): Promise<T> {
  return database.transaction(async (session) => {
    await session.query(
      `SET LOCAL search_path = pg_catalog, public; SET LOCAL lock_timeout = '3s'; SET LOCAL statement_timeout = ${statementTimeoutMs}`,
    );
    const result = await body(session);
    await session.query("ROLLBACK AND CHAIN");
    return result;
  });
}

/** The error that Postgres answers a statement with, or undefined; the transaction goes on either way, as if nothing had been done. */
export async function refusal(session: Session, sql: string): Promise<ServerError | undefined> {
  await session.query("SAVEPOINT asked");
  try {
    await session.query(sql);
    return undefined;
  } catch (error) {
    if (error instanceof ServerError) return error;
    throw error;
  } finally {
    await session.query("ROLLBACK TO SAVEPOINT asked; RELEASE SAVEPOINT asked");
  }
}
