import { afterEach, expect, test } from "vitest";
import { armFailpoints } from "../../src/failpoint.ts";
import { createLogger } from "../../src/log.ts";
import { Migration, type Pair } from "../support/index.ts";
import { ByHand } from "./by-hand.ts";

const FILE = {
  tenants: { column: "tenant_id", move: [1, 2] },
  layout: { schema: "shop_{tenant}", tenantColumn: "drop" },
  tables: { orders: {}, marks: {} },
};
const SOURCE = `
  CREATE TABLE orders (tenant_id int, id int, state text, PRIMARY KEY (tenant_id, id));
  CREATE TABLE marks (tenant_id int NOT NULL, label text NOT NULL);
  CREATE UNIQUE INDEX marks_identity ON marks (tenant_id, label);
  ALTER TABLE marks REPLICA IDENTITY USING INDEX marks_identity;
  INSERT INTO orders SELECT 1 + n % 2, n, 'open' FROM generate_series(1, 60) AS n;
  INSERT INTO marks SELECT 1 + n % 2, 'mark ' || n FROM generate_series(1, 20) AS n;`;
const PAIRS: readonly Pair[] = [1, 2].flatMap((tenant) => [
  { source: `SELECT id, state FROM orders WHERE tenant_id = ${tenant}`, target: `SELECT id, state FROM shop_${tenant}.orders` },
  { source: `SELECT label FROM marks WHERE tenant_id = ${tenant}`, target: `SELECT label FROM shop_${tenant}.marks` },
]);
const PUBLISHED = "SELECT schemaname || '.' || tablename FROM pg_publication_tables ORDER BY 1";
const IDENTITIES = "SELECT oid::regclass::text || ' ' || relreplident::text FROM pg_class WHERE relname = 'marks' ORDER BY 1";

const failAt = (point: string) => armFailpoints(point === "" ? "" : `${point}=error`, createLogger("silent"));
afterEach(() => void failAt(""));

test("what was cut off while it armed is finished by the next; disarmed, nothing is left but the move there", {
  timeout: 400_000,
}, async () => {
  await using migration = await Migration.prepare({ source: SOURCE, file: FILE });
  const { source, target } = migration;
  await using byHand = await ByHand.of(migration);
  const run = migration.run();
  await migration.inSync(run);
  const identities = await target.rows(IDENTITIES);

  for (const point of ["begin.before", "arm.publication.after", "slot.before", "slot.after", "arm.units.before"]) {
    failAt(point);
    await expect(byHand.arm(["1"]), point).rejects.toMatchObject({ code: "REHOUSE_UNREACHABLE" });
  }
  expect(await byHand.phase("1")).toBeNull();
  failAt("");
  await byHand.arm(["1"]);
  failAt("arm.publication.after");
  await expect(byHand.arm(["2"])).rejects.toMatchObject({ code: "REHOUSE_UNREACHABLE" });
  failAt("");
  // Two at once, of whom one is armed already.
  await Promise.all([byHand.arm(["2"]), byHand.arm(["1", "2"])]);
  expect((await target.rows(PUBLISHED)).flat()).toEqual(["shop_1.marks", "shop_1.orders", "shop_2.marks", "shop_2.orders"]);

  await byHand.switch("1", run);
  await target.run("UPDATE shop_1.orders SET state = 'there'; DELETE FROM shop_1.marks WHERE label < 'mark 3'");
  await byHand.isHome("1", run);
  await byHand.disarm(["2"]);
  expect((await target.rows(PUBLISHED)).flat()).toEqual(["shop_1.marks", "shop_1.orders"]);
  await target.run("INSERT INTO shop_1.marks VALUES ('while the other is disarmed')");
  await byHand.cameHome(run);
  await migration.expectEqual(PAIRS);
  await byHand.switchBack("1", run);
  await byHand.disarm(["1"]);
  await byHand.disarm(["1"]);

  expect(await source.value("SELECT to_regnamespace('rehouse')")).toBeNull();
  expect(await target.rows(PUBLISHED)).toEqual([]);
  expect(await target.value("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()")).toBe("0");
  expect(await target.rows(IDENTITIES)).toEqual(identities);
  await source.run("UPDATE orders SET state = 'home'; DELETE FROM marks WHERE label LIKE '%5'");
  await migration.inSync(run);
  await migration.drained(run);
  await migration.expectEqual(PAIRS);
});

test("a tenant without a capture is not armed, and says what is missing", { timeout: 300_000 }, async () => {
  await using migration = await Migration.prepare({ source: SOURCE, file: FILE });
  await using byHand = await ByHand.of(migration);
  const run = migration.run();
  await migration.inSync(run);
  await run.stop();
  await expect(byHand.arm(["1"], { publishedWithinMs: 500 })).rejects.toMatchObject({ code: "REHOUSE_NOT_RUNNING" });
  // It is armed as soon as there is one.
  const again = migration.run();
  await migration.until(again, "the tenant to be published", async () => {
    const seen = await migration.source.value("SELECT tenants_seen FROM rehouse.capture WHERE migration = $1", [byHand.mirror]);
    return seen === "1";
  });
});
