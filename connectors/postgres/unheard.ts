/**
 * A session may be gone at its server and live on at our end: what lies between keeps our connection open (a pooler, a proxy), or its process has
 * outlived the server and will never work again. TCP says nothing of it, and a lane would wait for ever. So whoever has waited long for an answer
 * asks, over another connection, what the server has that session doing.
 */

import type { Row } from "../../src/ports.ts";

export const ASK_AFTER_MS = 30_000;

type Asking = { query(sql: string, params: readonly string[]): Promise<Row[]>; close(force: boolean): Promise<void> };

/** Why no answer will come; undefined: the server works on it, or nobody can tell. */
export async function whyUnheard(connect: () => Promise<Asking>, pid: number, waitedMs: number): Promise<string | undefined> {
  const session = await connect().catch(() => undefined);
  if (session === undefined) return undefined;
  try {
    const [row] = await session.query(
      `SELECT state, extract(epoch FROM clock_timestamp() - state_change) * 1000 > $2::float8 AS long
         FROM pg_catalog.pg_stat_activity WHERE pid = $1::int`,
      [String(pid), String(waitedMs / 2)],
    );
    if (row === undefined) return "the server no longer has this session";
    // Of somebody else's session, or where nothing is tracked, the server does not say what it does.
    return row["state"]?.startsWith("idle") === true && row["long"] === "t"
      ? `the server waits for this session, which is ${row["state"]} there, though a statement was sent to it`
      : undefined;
  } catch {
    return undefined;
  } finally {
    await session.close(true);
  }
}
