/** A table that stays where it is has the writers of both homes in both streams: who comes home must not meet a feed that still takes the new columns for the truth. */

import { expect, test } from "vitest";
import { Migration, waitUntil } from "../support/index.ts";

const SOURCE = `
  CREATE TABLE counters (name text PRIMARY KEY, hits bigint NOT NULL DEFAULT 0);
  INSERT INTO counters VALUES ('writes');`;
const FILE = {
  tables: { counters: { columns: { tenths: "hits * 10", hits: false }, reverse: { hits: "tenths / 10" } } },
};
/** Writers go on at the source from the second one on: before it as soon as the control role has finished the rollback. */
const DEATHS = ["switch.moved.after", "switch.feed.before"] as const;
const WRITES = 40;

test("a rollback that is killed after its point of no return loses no write of a table in place", {
  timeout: 180_000,
}, async () => {
  await using migration = await Migration.prepare({ source: SOURCE, file: FILE, inOneDatabase: true });
  const { source: sql } = migration;
  const run = migration.run();
  let written = 0;
  for (const place of DEATHS) {
    await migration.inSync(run);
    expect(await migration.rehouse("cutover", "--tenant", "*")).toMatchObject({ code: 0 });
    const killed = migration.startWith({ REHOUSE_FAILPOINTS: `${place}=exit` }, "rollback", "--tenant", "*", "--json");
    const { signal, out, err } = await killed.ended;
    expect(signal, `${place}\n${out}\n${err}`).toBe("SIGKILL");
    for (let write = 0; write < WRITES; write++) {
      await untilTaken("UPDATE counters SET hits = hits + 1");
      written++;
    }
    await migration.until(run, `the rollback that died at ${place} to be finished`, async () => (await left()) === "0");
    await migration.drained(run);
    expect(await sql.rows("SELECT hits, tenths FROM counters"), place).toEqual([[String(written), String(10 * written)]]);
  }

  /** Who comes before the rollback is finished is told to try again. */
  async function untilTaken(write: string): Promise<void> {
    await waitUntil(
      async () => {
        try {
          await sql.run(write);
          return true;
        } catch (error) {
          expect(error).toMatchObject({ code: "RH010" });
          return false;
        }
      },
      { deadlineMs: 30_000, what: "the write to be taken" },
    );
    await new Promise((resume) => setTimeout(resume, 20));
  }

  async function left(): Promise<string | null> {
    return sql.value("SELECT count(*) FROM rehouse.switch");
  }
});
