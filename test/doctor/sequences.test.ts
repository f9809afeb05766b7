/** How much is left of the numbers that are kept free for a home, also where switches ended in the middle of keeping them. */

import { expect, test } from "vitest";
import { createDatabase } from "../../connectors/postgres/database.ts";
import { installState } from "../../src/control/install.ts";
import { journal } from "../../src/control/journal.ts";
import { type Block, moveSequences, type SequenceColumns } from "../../src/cutover/sequences.ts";
import { sequenceFindings } from "../../src/doctor/sequences.ts";
import { packageVersion, stateSql } from "../../src/package.ts";
import type { Session } from "../../src/ports.ts";
import { freshDatabases } from "../support/index.ts";

const COLUMNS: SequenceColumns = [{ column: "t.id", leaving: "public.ids", arriving: "public.ids", shared: true }];

/** Its server went away after the sequences were read. */
function lostAfterReading(session: Session): Session {
  let isRead = false;
  return {
    pid: session.pid,
    query: (...of) => session.query(...of),
    copyOut: (...of) => session.copyOut(...of),
    copyIn: (...of) => session.copyIn(...of),
    close: (...of) => session.close(...of),
    async pipeline(statements) {
      if (isRead) throw new Error("away");
      isRead = true;
      return session.pipeline(statements);
    },
  };
}

test("numbers that a switch skipped when it died are not taken for numbers given out", async () => {
  await using databases = await freshDatabases();
  const [source, target] = [createDatabase({ url: databases.sourceUrl }), createDatabase({ url: databases.targetUrl })];
  try {
    await installState(target, stateSql());
    await target.query("INSERT INTO rehouse.migration (name, digest, partitions, version) VALUES ('move', '', 1, $1)", [
      packageVersion(),
    ]);
    await target.query(
      "INSERT INTO rehouse.tenant (migration, tenant, kind, partition, phase) VALUES ('move', '1', 'tenant', 0, 'soaking')",
    );
    for (const each of [source, target]) await each.query("CREATE SEQUENCE public.ids; SELECT setval('public.ids', 100)");
    const [there, here] = await Promise.all([source.connect(), target.connect()]);
    const blocks: Block[] = [];
    const note = (direction: string) => async (event: "sequences-moving" | "sequences-moved", of: readonly Block[]) => {
      blocks.push(...of);
      await journal(here, "move", event, { direction, blocks: of }, "1");
    };
    const found = () =>
      sequenceFindings({ name: "target", database: target, feed: "move-reverse", stateOf: "move" }, target, "move");

    await moveSequences(COLUMNS, there, here, note("to-target"));
    expect(await found()).toEqual([]);
    for (let times = 0; times < 2; times++) {
      // What the others are given meanwhile makes the next attempt skip a whole margin again.
      await there.query("SELECT setval('public.ids', 1 + last_value) FROM public.ids");
      await expect(moveSequences(COLUMNS, lostAfterReading(there), here, note("to-target"))).rejects.toThrow("away");
      expect(await found()).toEqual([]);
    }

    await here.query("SELECT setval('public.ids', $1)", [blocks.at(-1)?.to ?? ""]);
    expect(await found()).toMatchObject([{ code: "sequence-block-low", severity: "error" }]);
    await Promise.all([there.close(), here.close()]);
  } finally {
    await Promise.all([source.close(), target.close()]);
  }
});
