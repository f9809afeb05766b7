import { ServerError, type Session } from "./ports.ts";

/** Runs `sql` within the session's open transaction; what it did is kept unless Postgres refuses it. Resolves to the refusal. */
export async function attempt(session: Session, sql: string): Promise<ServerError | undefined> {
  await session.query("SAVEPOINT attempt");
  try {
    await session.query(sql);
    await session.query("RELEASE SAVEPOINT attempt");
    return undefined;
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    await session.query("ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt");
    return error;
  }
}
