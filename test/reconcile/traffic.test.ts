/**
 * The role `reconcile` of a migration under the heaviest traffic there is: it raises no false alarm, and finds what is wrong. REHOUSE_PASSES
 * says how many passes of every table of every tenant have to be clean.
 */

import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { type FileBody, Migration } from "../support/index.ts";
import { Clients, SHOP_FILE, shopSql, TENANTS } from "../support/shop.ts";

const PASSES = Number(process.env["REHOUSE_PASSES"] ?? 20);
const AT_FULL_SPEED: FileBody = {
  ...SHOP_FILE,
  tables: { ...SHOP_FILE.tables, events: { secret: ["payload"] } },
  reconcile: { pace: 1, every: "0s", everyChanged: "0s" },
};
/** A table for each tenant, and the shared one. */
const UNITS = TENANTS.length * 5 + 1;

const CORRUPTED = TENANTS.length * 3;

type Passes = ReadonlyMap<string, number>;

/** How many passes each unit has begun, or come to the end of. */
async function passes(migration: Migration, of: "begun" | "ended"): Promise<Passes> {
  const rows = await migration.target.rows(
    of === "begun"
      ? "SELECT source || ' ' || tenant, passes FROM rehouse.compared_unit"
      : "SELECT source || ' ' || tenant, max(pass) FROM rehouse.evidence WHERE compared_by = 'reconcile' GROUP BY 1",
  );
  return new Map(rows.map(([unit, count]) => [unit ?? "", Number(count)]));
}

/** Whether every unit has come to the end of `count` passes that had not begun at `before`. */
async function passed(migration: Migration, before: Passes, count: number): Promise<boolean> {
  const ended = await passes(migration, "ended");
  return ended.size === UNITS && [...ended].every(([unit, last]) => last >= (before.get(unit) ?? 0) + count);
}

/** A difference of each kind in each tenant's events, in rows that no client touches; `id` says which. */
const CORRUPTION = TENANTS.map(
  (tenant) => `
    UPDATE shop_${tenant}.events SET payload = '{"of": 0}' WHERE id = 2000 + ${tenant};
    DELETE FROM shop_${tenant}.events WHERE id = 2010 + ${tenant};
    INSERT INTO shop_${tenant}.events (id, at) VALUES (900000 + ${tenant}, now());`,
).join("\n");

async function expectCorruptionFound(migration: Migration): Promise<void> {
  expect(
    await migration.target.rows(
      "SELECT tenant, source, key->>'id', kind FROM rehouse.difference WHERE gone_at IS NULL ORDER BY 1, 3",
    ),
  ).toEqual(
    TENANTS.flatMap((tenant) => [
      [tenant, "public.events", String(2000 + Number(tenant)), "different"],
      [tenant, "public.events", String(2010 + Number(tenant)), "missing"],
      [tenant, "public.events", String(900_000 + Number(tenant)), "extra"],
    ]),
  );
}

test("under traffic no row in flight is taken for a difference, its process may be killed at any time, and what is wrong is found in one pass", {
  timeout: 120_000 + PASSES * 30_000,
}, async () => {
  await using migration = await Migration.prepare({ source: shopSql(300), file: AT_FULL_SPEED });
  const clients = new Clients(migration.source, { seed: 7, count: 3, truncates: false });
  const run = migration.run();
  try {
    await migration.inSync(run);
    const before = await passes(migration, "begun");
    await migration.until(
      run,
      "a range",
      async () => (await migration.target.value("SELECT count(*) FROM rehouse.compared_range")) !== "0",
    );
    await run.killRole("reconcile");
    await migration.until(run, `${PASSES} passes`, () => passed(migration, before, PASSES), PASSES * 30_000 + 30_000);
    expect(
      await migration.target.rows("SELECT source, tenant, key, kind, source_image, target_image FROM rehouse.difference"),
    ).toEqual([]);

    await migration.target.run(CORRUPTION);
    const corrupted = await passes(migration, "begun");
    await migration.until(run, "a pass", () => passed(migration, corrupted, 1));
    await expectCorruptionFound(migration);
    const { tenants, reconcile } = await migration.status();
    expect(reconcile).toMatchObject({
      units: UNITS,
      compared: UNITS,
      differences: CORRUPTED,
      obstacles: [],
      now: { tenant: expect.any(String) },
    });
    expect(tenants.filter(({ tenant }) => tenant !== "(shared)").map(({ verified }) => verified?.differences)).toEqual(
      TENANTS.map(() => 3),
    );
  } finally {
    await clients.stop();
  }
  const report = join(dirname(migration.path), "report.html");
  expect(await migration.rehouse("verify", "--tenant", "1", "--json", "--report", report)).toMatchObject({ code: 1 });
  const text = await readFile(report, "utf8");
  for (const part of [migration.name, "The sides are not equal", "still there", "reconcile", "2001", "sha256:"])
    expect(text).toContain(part);
  // The payload {"of": n} is secret: its hash is all that is ever kept or shown.
  const kept = await migration.target.rows(
    "SELECT d::text FROM rehouse.difference AS d UNION ALL SELECT j::text FROM rehouse.journal AS j",
  );
  expect(JSON.stringify(kept)).toContain("sha256:");
  expect(`${text}${JSON.stringify(kept)}`).not.toMatch(/of(&quot;|[\\"]+): ?\d/);
});

test("what is wrong right after the copy is found while the tenant catches up", { timeout: 120_000 }, async () => {
  await using migration = await Migration.prepare({ source: shopSql(300), file: AT_FULL_SPEED });
  const clients = new Clients(migration.source, { seed: 8, count: 2, truncates: false });
  const copied = async () => {
    const copying = migration.run("--role", "control", "capture", "backfill");
    await migration.until(copying, "the copy", async () => {
      const units = await migration.units();
      return units.length > 0 && units.every(({ phase }) => phase === "catching-up");
    });
    await copying.stop();
  };
  await copied().finally(() => clients.stop());
  await migration.target.run(CORRUPTION);
  const corrupted = await passes(migration, "begun");
  // Without control nobody leaves the phase.
  const following = migration.run("--role", "capture", "apply", "reconcile");
  await migration.until(following, "a pass", () => passed(migration, corrupted, 1));
  await expectCorruptionFound(migration);
  expect(new Set((await migration.units()).map(({ phase }) => phase))).toEqual(new Set(["catching-up"]));
});
