import type { Database, Session } from "../ports.ts";

/**
 * - A role's own time limits would end a session that holds the lock.
 * - synchronous_commit: what is written of a fence has to outlive a crash of the server.
 * - client_connection_check_interval: a lock that is waited for is given up within seconds of its process' end.
 */
const SETTINGS = {
  statement_timeout: "0",
  lock_timeout: "0",
  idle_in_transaction_session_timeout: "0",
  idle_session_timeout: "0",
  synchronous_commit: "on",
  client_connection_check_interval: "5s",
} as const;

export async function openSession(database: Database, migration: string): Promise<Session> {
  const session = await database.connect({ name: `rehouse ${migration} fence`, settings: SETTINGS });
  // New in version 17; unknown at the session's start it would be refused.
  await session.query("SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout'");
  return session;
}
