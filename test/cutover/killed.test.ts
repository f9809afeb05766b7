/** kill -9 of a switch at each of its steps: the same verb, or the control role, undoes or finishes it. */

import { expect, test } from "vitest";
import type { SwitchDocument } from "../../src/cli/documents.ts";
import { FAILPOINTS } from "../../src/failpoint.ts";
import { contradictions, type Home, LEDGER_SQL, Ledger } from "../jepsen/clients.ts";
import { entriesAt, ledgerFile, placesOf } from "../jepsen/home.ts";
import { Migration, waitUntil } from "../support/index.ts";

const IS_WHOLE = process.env["REHOUSE_FAULTS"] === "all";
const SWITCHING = Object.keys(FAILPOINTS).filter((name) => name.startsWith("switch.") && name !== "switch.undo.before");
/** What is made ready for a cutover; test/mirror/arm.test.ts has the places in between. */
const ARMING = ["arm.fence.after", "arm.units.before"];
const VERBS = ["cutover", "rollback"] as const;
/** Each place in one of the two directions, and in both with `npm run faults`. */
const DEATHS: readonly { readonly verb: (typeof VERBS)[number]; readonly place: string }[] = [
  ...ARMING.map((place) => ({ verb: "cutover" as const, place })),
  ...SWITCHING.flatMap((place, index) => VERBS.filter((_, v) => IS_WHOLE || index % 2 === v).map((verb) => ({ verb, place }))),
];
/** From here on it is finished, whoever finds it. */
const PAST = new Set(["switch.commit.after", "switch.moved.after", "switch.feed.before", "switch.feed.after"]);

const TENANTS = [1, 2];
const places = placesOf("pooled");

test("a switch that is killed at any step is undone before its point of no return and finished after it, and no write is lost", {
  timeout: IS_WHOLE ? 900_000 : 400_000,
}, async () => {
  await using migration = await Migration.prepare({ source: LEDGER_SQL(TENANTS), file: ledgerFile("pooled", TENANTS) });
  // The first who finishes a rollback fails at that with the locks of both sides in its hands, and lives on.
  const run = migration.startWith({ REHOUSE_FAILPOINTS: "switch.moved.after=error" }, "run", "--json");
  await migration.inSync(run);
  const ledger = new Ledger({ source: migration.source.url, target: migration.databases.targetUrl }, places, {
    tenants: ["1"],
    clients: 2,
    seed: 7,
    thinkMs: 30,
  });
  let home: Home = "source";
  for (const { verb, place } of DEATHS) {
    const title = `${verb}, ${place}`;
    const leaves: Home = verb === "cutover" ? "source" : "target";
    if (home !== leaves) await switched(migration, verb === "cutover" ? "rollback" : "cutover", leaves);
    if (leaves === "source") await migration.inSync(run);
    const other: Home = leaves === "source" ? "target" : "source";
    const killed = migration.startWith({ REHOUSE_FAILPOINTS: `${place}=exit` }, verb, "--tenant", "1", "--json");
    const { signal, out, err } = await killed.ended;
    expect(signal, `${title}\n${out}\n${err}`).toBe("SIGKILL");
    home = PAST.has(place) ? other : leaves;
    // The control role finds it within a second or two.
    await migration.until(run, `what died at ${title} to be ended`, async () => (await left(migration)) === 0);
    await writesGoOn(ledger, title);
    expect(await homeOf(migration), title).toBe(home);
    if (home === leaves) await switched(migration, verb, other);
    home = other;
    await writesGoOn(ledger, title);
  }
  await ledger.stop();
  await migration.drained(run);
  const { found, counted } = await entriesAt(migration, places, home, "1");
  expect(contradictions(ledger.written, found, counted)).toEqual([]);
  await migration.until(run, "nothing to be left over", async () => (await migration.rehouse("doctor")).code === 0);
});

async function switched(migration: Migration, verb: "cutover" | "rollback", home: Home): Promise<void> {
  const { code, out, err } = await migration.rehouse(verb, "--tenant", "1", "--json");
  expect(code, `${out}\n${err}`).toBe(0);
  const document: SwitchDocument = JSON.parse(out);
  expect(document.tenants[0]).toMatchObject({ outcome: "switched", home });
}

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
