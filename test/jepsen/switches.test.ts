/**
 * Tenants are switched and switched back at random while clients write and processes die; then each tenant's log and its home have to agree. A few
 * seeds here, more with `npm run test:soak`.
 */

import { expect, test } from "vitest";
import { FAILPOINTS } from "../../src/failpoint.ts";
import { Migration } from "../support/index.ts";
import { Random } from "../support/random.ts";
import { waitUntil } from "../support/wait-until.ts";
import { contradictions, type Home, LEDGER_SQL, Ledger } from "./clients.ts";
import { entriesAt, type Layout, ledgerFile, placesOf } from "./home.ts";

const SEEDS = Number(process.env["REHOUSE_SWITCH_SEEDS"] ?? "2");
const FROM = Number(process.env["REHOUSE_SWITCH_FROM"] ?? "1");
const TENANTS = [1, 2, 3];
const ACTS = 6;
const PLACES = Object.keys(FAILPOINTS).filter((name) => name.startsWith("switch."));
const ROLES = ["capture", "apply", "control"] as const;
const PASSING = new Set(["0", "1", "SIGKILL"]);

const seeds = Array.from({ length: SEEDS }, (_, index) => FROM + index);

test.each(seeds)(
  "seed %i: whatever is switched and killed, every acknowledged write is at its tenant's home, once",
  {
    timeout: 300_000,
  },
  async (seed) => {
    const random = new Random(seed);
    const layout: Layout = random.of(["pooled", "schemas"]);
    const places = placesOf(layout);
    await using migration = await Migration.prepare({ source: LEDGER_SQL(TENANTS), file: ledgerFile(layout, TENANTS) });
    const run = migration.run();
    await migration.inSync(run);
    const ledger = new Ledger({ source: migration.source.url, target: migration.databases.targetUrl }, places, {
      tenants: TENANTS.map(String),
      clients: 2,
      seed,
      thinkMs: 25,
    });
    const did: string[] = [];
    for (let act = 0; act < ACTS; act++) {
      const tenant = String(random.of(TENANTS));
      const verb = (await homeOf(migration, tenant)) === "source" ? "cutover" : "rollback";
      // A rollback of a tenant that was not switched would give it up.
      const safe = verb === "rollback" ? ["--keep"] : [];
      const fault = random.of(["none", "verb dies", "role dies"]);
      const environment: Record<string, string> =
        fault === "verb dies" ? { REHOUSE_FAILPOINTS: `${random.of(PLACES)}=exit` } : {};
      const started = migration.startWith(environment, verb, "--tenant", tenant, "--json", ...safe);
      if (fault === "role dies") await run.killRole(random.of(ROLES));
      const { code, signal } = await started.ended;
      did.push(`${verb} ${tenant} ${fault} ${environment["REHOUSE_FAILPOINTS"] ?? ""} ${code ?? signal}`);
      // Refused, or ended by another one later on: both are an answer. A crash of its own is not.
      expect(PASSING.has(String(code ?? signal)), did.join("\n")).toBe(true);
      await migration.until(run, "what was left behind to be ended", async () => (await left(migration)) === 0);
    }
    await goesOn(ledger, did);
    await ledger.stop();
    await migration.drained(run);
    for (const tenant of TENANTS.map(String)) {
      const { found, counted } = await entriesAt(migration, places, await homeOf(migration, tenant), tenant);
      const log = ledger.written.filter((one) => one.tenant === tenant);
      expect(contradictions(log, found, counted), `tenant ${tenant} after\n${did.join("\n")}`).toEqual([]);
    }
  },
);

async function left(migration: Migration): Promise<number> {
  return Number(await migration.target.value("SELECT count(*) FROM rehouse.switch"));
}

async function homeOf(migration: Migration, tenant: string): Promise<Home> {
  const home = await migration.target.value("SELECT home FROM rehouse.route WHERE tenant = $1", [tenant]);
  return home === "target" ? "target" : "source";
}

async function goesOn(ledger: Ledger, did: readonly string[]): Promise<void> {
  const before = TENANTS.map((tenant) => ledger.acknowledged(String(tenant)));
  const everybody = () => TENANTS.every((tenant, index) => ledger.acknowledged(String(tenant)) > (before[index] ?? 0) + 5);
  await waitUntil(everybody, { deadlineMs: 60_000, what: `everybody to write on after\n${did.join("\n")}` });
}
