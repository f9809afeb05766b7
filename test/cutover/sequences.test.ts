/** Sequences of tenants that are switched at the same time, on a real server. */

import { expect, test } from "vitest";
import { createDatabase } from "../../connectors/postgres/database.ts";
import { type Block, moveSequences, type SequenceColumns } from "../../src/cutover/sequences.ts";
import type { Session } from "../../src/ports.ts";
import { freshDatabases } from "../support/index.ts";

const COLUMNS: SequenceColumns = [{ column: "t.id", leaving: "public.ids", arriving: "public.ids", shared: true }];
const NEXT = "SELECT nextval('public.ids') AS number";

/** As if `meanwhile` had happened after the sequences were read, and before they are moved. */
function interrupted(sessions: readonly [Session, Session], meanwhile: () => Promise<void>): [Session, Session] {
  let happened: Promise<void> | undefined;
  const around = (session: Session): Session => {
    let isRead = false;
    return {
      pid: session.pid,
      query: (...of) => session.query(...of),
      copyOut: (...of) => session.copyOut(...of),
      copyIn: (...of) => session.copyIn(...of),
      close: (...of) => session.close(...of),
      async pipeline(statements) {
        if (isRead) {
          happened ??= meanwhile();
          await happened;
        }
        isRead = true;
        return session.pipeline(statements);
      },
    };
  };
  return [around(sessions[0]), around(sessions[1])];
}

test.for([
  { what: "counting up", create: "CREATE SEQUENCE public.ids", used: 100n },
  { what: "counting down", create: "CREATE SEQUENCE public.ids INCREMENT -1", used: -100n },
])("two tenants that are switched at once never get a number twice, $what", async ({ create, used }) => {
  await using databases = await freshDatabases();
  const [source, target] = [createDatabase({ url: databases.sourceUrl }), createDatabase({ url: databases.targetUrl })];
  try {
    await source.query(create);
    await target.query(create);
    await source.query("SELECT setval('public.ids', $1)", [String(used)]);
    const [leaving, arriving] = await Promise.all([source.connect(), target.connect()]);
    const given: string[] = [];
    const blocks: Block[] = [];
    const note = async (event: string, of: readonly Block[]) => {
      if (event === "sequences-moved") blocks.push(...of);
    };
    const give = async (session: Session, count: number) => {
      for (let n = 0; n < count; n++) given.push((await session.query(NEXT))[0]?.["number"] ?? "");
    };
    const [late, lateArriving] = interrupted([leaving, arriving], async () => {
      // A tenant that stays uses numbers, and one that is switched now begins at its new home.
      await give(leaving, 50);
      await moveSequences(COLUMNS, leaving, arriving, note);
      await give(arriving, 100);
    });
    await moveSequences(COLUMNS, late, lateArriving, note);
    await give(arriving, 100);
    await give(leaving, 50);
    expect(new Set(given).size).toBe(300);
    expect(blocks).toHaveLength(2);
    const sizes = blocks.map(({ from, to }) => (BigInt(to) - BigInt(from)) * (used > 0n ? 1n : -1n));
    expect(Math.min(...sizes.map(Number))).toBeGreaterThan(900_000);
    await Promise.all([leaving.close(), arriving.close()]);
  } finally {
    await Promise.all([source.close(), target.close()]);
  }
});
