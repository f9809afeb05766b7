/** kill -9 of a switch at each of its steps: the same verb, or the control role, undoes or finishes it. */

import { expect, test } from "vitest";
import type { SwitchDocument } from "../../src/cli/documents.ts";
import { FAILPOINTS } from "../../src/failpoint.ts";
import { contradictions, type Home, LEDGER_SQL, Ledger } from "../jepsen/clients.ts";
import { entriesAt, ledgerFile, placesOf } from "../jepsen/home.ts";
import { Migration, waitUntil } from "../support/index.ts";

const PLACES = Object.keys(FAILPOINTS).filter((name) => name.startsWith("switch.") && name !== "switch.undo.before");
/** From here on it is finished, whoever finds it. */
const PAST = new Set(["switch.commit.after", "switch.moved.after", "switch.feed.before", "switch.feed.after"]);

const TENANTS = [1, 2];
const places = placesOf("pooled");

test("a switch that is killed at any step is undone before its point of no return and finished after it, and no write is lost", {
  timeout: 400_000,
}, async () => {
  await using migration = await Migration.prepare({ source: LEDGER_SQL(TENANTS), file: ledgerFile("pooled", TENANTS) });
  const run = migration.run();
  await migration.inSync(run);
  const ledger = new Ledger({ source: migration.source.url, target: migration.databases.targetUrl }, places, {
    tenants: ["1"],
    clients: 2,
    seed: 7,
    thinkMs: 30,
  });
  let home: Home = "source";
  for (const place of PLACES) {
    const verb = home === "source" ? "cutover" : "rollback";
    const killed = migration.startWith({ REHOUSE_FAILPOINTS: `${place}=exit` }, verb, "--tenant", "1", "--json");
    expect((await killed.ended).signal, place).toBe("SIGKILL");
    const other: Home = home === "source" ? "target" : "source";
    const expected: Home = PAST.has(place) ? other : home;
    // The control role finds it within a second or two.
    await migration.until(run, `the switch that died at ${place} to be ended`, async () => (await left(migration)) === 0);
    await writesGoOn(ledger, place);
    expect(await homeOf(migration), place).toBe(expected);
    if (expected === home) {
      const again = await migration.rehouse(verb, "--tenant", "1", "--json");
      expect(again.code, `${place}\n${again.out}\n${again.err}`).toBe(0);
      const document: SwitchDocument = JSON.parse(again.out);
      expect(document.tenants[0]).toMatchObject({ outcome: "switched", home: other });
    }
    home = other;
    await writesGoOn(ledger, place);
    if (home === "source") await migration.inSync(run);
  }
  await ledger.stop();
  await migration.drained(run);
  const { found, counted } = await entriesAt(migration, places, home, "1");
  expect(contradictions(ledger.written, found, counted)).toEqual([]);
});

async function left(migration: Migration): Promise<number> {
  return Number(await migration.target.value("SELECT count(*) FROM rehouse.switch"));
}

async function homeOf(migration: Migration): Promise<string> {
  return (await migration.target.value("SELECT home FROM rehouse.route WHERE tenant = '1'")) ?? "source";
}

async function writesGoOn(ledger: Ledger, where: string): Promise<void> {
  const before = ledger.acknowledged("1");
  await waitUntil(() => ledger.acknowledged("1") > before + 5, { deadlineMs: 30_000, what: `writes to go on after ${where}` });
}
