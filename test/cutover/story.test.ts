/** A tenant is switched, switched back and switched again while its application writes all the time. */

import { expect, test } from "vitest";
import type { SwitchDocument } from "../../src/cli/documents.ts";
import { contradictions, type Home, LEDGER_SQL, Ledger } from "../jepsen/clients.ts";
import { entriesAt, type Layout, ledgerFile, placesOf } from "../jepsen/home.ts";
import { Migration, waitUntil } from "../support/index.ts";

const TENANTS = [1, 2, 3];

test.each<Layout>(["pooled", "schemas"])(
  "a tenant goes to the target (%s), back, and there again under live writes: every acknowledged write is at its home, once",
  {
    timeout: 240_000,
  },
  async (layout) => {
    const places = placesOf(layout);
    await using migration = await Migration.prepare({ source: LEDGER_SQL(TENANTS), file: ledgerFile(layout, TENANTS) });
    const run = migration.run();
    await migration.inSync(run);
    const ledger = new Ledger({ source: migration.source.url, target: migration.databases.targetUrl }, places, {
      tenants: TENANTS.map(String),
      clients: 2,
      seed: 1,
      thinkMs: 20,
    });
    await wrote(ledger, 50);

    const there = await switched(migration, "cutover");
    expect(there).toMatchObject({ outcome: "switched", home: "target", lateWrites: 0 });
    expect(await phaseOf(migration, "1")).toBe("soaking");
    await wrote(ledger, 50);
    const back = await switched(migration, "rollback");
    expect(back).toMatchObject({ outcome: "switched", home: "source" });
    await migration.inSync(run);
    await wrote(ledger, 50);
    const again = await switched(migration, "cutover");
    expect(again).toMatchObject({ outcome: "switched", home: "target" });
    await wrote(ledger, 50);

    await ledger.stop();
    await migration.drained(run);
    const homes: Record<string, Home> = { "1": "target", "2": "source", "3": "source" };
    for (const [tenant, home] of Object.entries(homes)) {
      const { found, counted } = await entriesAt(migration, places, home, tenant);
      const log = ledger.written.filter((one) => one.tenant === tenant);
      expect(contradictions(log, found, counted), `tenant ${tenant}`).toEqual([]);
    }
    async function wrote(of: Ledger, more: number): Promise<void> {
      const before = TENANTS.map((tenant) => of.acknowledged(String(tenant)));
      await waitUntil(() => TENANTS.every((tenant, index) => of.acknowledged(String(tenant)) >= (before[index] ?? 0) + more), {
        deadlineMs: 60_000,
        what: `${more} more writes of every tenant`,
      });
    }
  },
);

async function switched(migration: Migration, verb: "cutover" | "rollback") {
  const { code, out, err } = await migration.rehouse(verb, "--tenant", "1", "--json");
  expect(code, `${out}\n${err}`).toBe(0);
  const document: SwitchDocument = JSON.parse(out);
  expect(document.tenants).toHaveLength(1);
  return document.tenants[0];
}

async function phaseOf(migration: Migration, tenant: string): Promise<string | undefined> {
  return (await migration.status()).tenants.find((each) => each.tenant === tenant)?.phase;
}
