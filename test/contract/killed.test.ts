/** kill -9 of a contract at each of its steps, one after the other: the same verb goes on, and in the end nothing is left over. */

import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ContractDocument } from "../../src/cli/documents.ts";
import { FAILPOINTS } from "../../src/failpoint.ts";
import { Migration, type RehouseProcess } from "../support/index.ts";

const SOURCE = `
  CREATE TABLE accounts (id int PRIMARY KEY);
  CREATE TABLE orders (tenant_id int REFERENCES accounts, id int, PRIMARY KEY (tenant_id, id));
  INSERT INTO accounts SELECT generate_series(1, 2);
  INSERT INTO orders SELECT t, n FROM generate_series(1, 2) AS t, generate_series(1, 600) AS n;`;

const FILE = { tenants: { column: "tenant_id", move: [1, 2] }, tables: { accounts: { tenant: "id" }, orders: {} } };

/** In the order in which the last tenant's contract comes to them. The triggers of a side are taken away twice: at the target, at the source. */
const PLACES = [
  "contract.begin.before",
  "contract.begin.after",
  "disarm.units.after",
  "disarm.slot.after",
  "disarm.topic.after",
  "contract.feed.after",
  "contract.archive.before",
  "contract.archive.after",
  "contract.counted.after",
  "contract.batch.before",
  "contract.batch.after",
  "contract.rows.after",
  "contract.lane.after",
  "disarm.triggers.after",
  "contract.home.after",
  "contract.receipt.after",
  "disarm.triggers.after",
] as const;

/** Where it matters most; all with `npm run faults`. */
const QUICK: ReadonlySet<string> = new Set([
  "disarm.slot.after",
  "contract.archive.after",
  "contract.batch.after",
  "contract.receipt.after",
]);
const STRUCK = process.env["REHOUSE_FAULTS"] === "all" ? PLACES : PLACES.filter((place) => QUICK.has(place));

let migration: Migration;
let run: RehouseProcess;
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "rehouse-archive-"));
  migration = await Migration.prepare({ source: SOURCE, file: FILE });
  run = migration.run();
  await migration.inSync(run);
  expect((await migration.rehouse("cutover", "--all", "--json")).code).toBe(0);
  const inStep = "SELECT count(*) FROM rehouse.tenant WHERE migration LIKE '%.reverse' AND phase = 'in-sync'";
  await migration.until(run, "the feed home to be in step", async () => (await migration.source.value(inStep)) === "2");
}, 120_000);
afterAll(async () => {
  await migration?.[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

test("the table has every failpoint of a contract", () => {
  const named = Object.keys(FAILPOINTS).filter((name) => /^(contract|disarm)\./.test(name));
  expect([...new Set<string>(PLACES)].sort()).toEqual(named.sort());
});

test("a contract that died in its middle keeps the fence for its tenant while others are contracted to the end", {
  timeout: 180_000,
}, async () => {
  expect((await killed("1", "contract.batch.after")).signal).toBe("SIGKILL");
  const findings = JSON.parse((await migration.rehouse("doctor", "--json")).out).findings;
  expect(findings).toMatchObject([{ code: "contract-unfinished", place: "tenant 1", fix: "rehouse contract --tenant 1" }]);
});

test("killed at every step, it goes on where it was, with the archive whole and each row removed once", {
  timeout: 240_000,
}, async () => {
  for (const [index, place] of STRUCK.entries()) {
    const { signal, out, err } = await killed("2", place);
    expect(signal, `${index} ${place}\n${out}\n${err}`).toBe("SIGKILL");
    if (place === "contract.receipt.after") {
      // While the first tenant's rows are still there, nobody may write them.
      await expect(migration.source.run("INSERT INTO orders VALUES (1, 1000)")).rejects.toMatchObject({ code: "RH011" });
      expect((await contract("1")).code).toBe(0);
    }
  }
  const { code, out, err } = await contract("2");
  expect({ code, err }).toEqual({ code: 0, err: "" });
  const [done] = (JSON.parse(out) as ContractDocument).tenants;
  expect(done?.receipt?.removed.map(({ table, removed }) => [table, removed])).toEqual([
    ["public.orders", 600],
    ["public.accounts", 1],
  ]);
  expect(done?.receipt?.archived.map(({ table, rows }) => [table, rows])).toEqual([
    ["public.orders", 600],
    ["public.accounts", 1],
  ]);
  expect(await readdir(join(directory, migration.name, "2"))).toContain("manifest.json");
  expect(await migration.source.rows("SELECT (SELECT count(*) FROM accounts), (SELECT count(*) FROM orders)")).toEqual([
    ["0", "0"],
  ]);
  expect(await migration.target.value("SELECT count(*) FROM orders")).toBe("1200");
  await migration.until(run, "nothing to be left over", async () => (await migration.rehouse("doctor")).code === 0);
  expect(await migration.source.value("SELECT count(*) FROM pg_trigger WHERE tgname LIKE '!rehouse%'")).toBe("0");
});

function killed(tenant: string, place: string) {
  return migration.startWith({ REHOUSE_FAILPOINTS: `${place}=exit` }, ...verb(tenant)).ended;
}

function contract(tenant: string) {
  return migration.rehouse(...verb(tenant));
}

function verb(tenant: string): string[] {
  return ["contract", "--tenant", tenant, "--now", "--yes", "--json", "--archive", directory];
}
