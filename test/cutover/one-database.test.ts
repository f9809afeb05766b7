/** Source and target are one database: tables go to another schema, or under another name into the same one. */

import { expect, test } from "vitest";
import type { ContractDocument, SwitchDocument } from "../../src/cli/documents.ts";
import { contradictions, type Home, LEDGER_SQL, Ledger } from "../jepsen/clients.ts";
import { entriesAt, placesOf } from "../jepsen/home.ts";
import { ByHand } from "../mirror/by-hand.ts";
import { Migration, waitUntil } from "../support/index.ts";

const TENANTS = [1, 2, 3];

/** Beside the ledger's tables, one that stays in its schema, with an index, a sequence of its own and one that others use, too. */
const SOURCE = `
  ${LEDGER_SQL(TENANTS)}
  CREATE TABLE countries (code text PRIMARY KEY);
  INSERT INTO countries VALUES ('ch'), ('de');
  CREATE SEQUENCE numbers;
  CREATE TABLE marks (
    tenant_id int NOT NULL, id serial, number bigint NOT NULL DEFAULT nextval('numbers'), label text, country text REFERENCES countries,
    PRIMARY KEY (tenant_id, id)
  );
  CREATE INDEX marks_label ON marks (label);
  INSERT INTO marks (tenant_id, label, country) SELECT 1 + n % 3, 'mark ' || n, 'ch' FROM generate_series(1, 60) AS n;`;

const FILE = {
  tenants: { column: "tenant_id", move: TENANTS },
  layout: { schema: "t_{tenant}" },
  tables: {
    accounts: { columns: { tenant_id: false } },
    entries: { columns: { tenant_id: false } },
    marks: { to: "public.labels" },
  },
};

const LABELS = [{ source: "SELECT * FROM marks", target: "SELECT * FROM labels" }];

test("a tenant goes to a schema of the same database, back, and there again under live writes; then its old home is cleared", {
  timeout: 240_000,
}, async () => {
  await using migration = await Migration.prepare({ source: SOURCE, file: FILE, inOneDatabase: true });
  const { source: sql } = migration;
  const checked = await migration.rehouse("check", "--json");
  expect(checked.code, checked.out).toBe(0);
  const run = migration.run();
  await migration.inSync(run);
  const places = placesOf("schemas");
  const url = sql.url;
  const ledger = new Ledger({ source: url, target: url }, places, {
    tenants: TENANTS.map(String),
    clients: 2,
    seed: 1,
    thinkMs: 20,
  });
  await wrote(10);
  expect(await relations("labels")).toEqual(["labels_id_seq", "labels_label", "labels_pkey"]);

  expect(await switched("cutover", "1")).toMatchObject({ outcome: "switched", home: "target", lateWrites: 0 });
  await wrote(10);
  // Each home counts for itself, but where both count with one sequence.
  await sql.run(`
    INSERT INTO labels (tenant_id, label) VALUES (1, 'there'); INSERT INTO marks (tenant_id, label) VALUES (2, 'here');
    UPDATE labels SET label = label || '!' WHERE tenant_id = 1; UPDATE marks SET label = label || '?' WHERE tenant_id = 3`);
  await migration.until(run, "both ways to be in step", async () => {
    await migration.expectEqual(LABELS);
    return true;
  });
  expect(await sql.rows("SELECT label, number, id > 1000 FROM marks WHERE label LIKE '%here%' ORDER BY 1")).toEqual([
    ["here", "62", "t"],
    ["there!", "61", "t"],
  ]);
  const { code, out } = await migration.rehouse("verify", "--json");
  expect({ code, ...JSON.parse(out) }).toMatchObject({ code: 0, equal: true });

  expect(await switched("rollback", "1")).toMatchObject({ outcome: "switched", home: "source" });
  await migration.inSync(run);
  await wrote(10);
  expect(await switched("cutover", "1")).toMatchObject({ outcome: "switched", home: "target" });
  await wrote(10);
  await migration.until(run, "the way home to be in step", async () => (await homePhase()) === "in-sync");
  await ledger.stop();
  await using byHand = await ByHand.of(migration);
  const writes = `
    UPDATE labels SET label = label || '.' WHERE tenant_id = 1; UPDATE marks SET label = label || '.' WHERE tenant_id = 2`;
  expect(await byHand.publishedOf(run, () => sql.run(writes))).toEqual({ there: 21, home: 21 });
  const contracted = await migration.rehouse("contract", "--tenant", "1", "--now", "--yes", "--json");
  expect(contracted.code, contracted.out).toBe(0);
  const document: ContractDocument = JSON.parse(contracted.out);
  expect(document.tenants[0]?.receipt).toMatchObject({ dropped: [], removed: [{}, {}, {}] });
  await migration.drained(run);
  for (const [tenant, home] of Object.entries<Home>({ "1": "target", "2": "source", "3": "source" })) {
    const { found, counted } = await entriesAt(migration, places, home, tenant);
    const log = ledger.written.filter((one) => one.tenant === tenant);
    expect(contradictions(log, found, counted), `tenant ${tenant}`).toEqual([]);
  }
  const left = "SELECT tenant_id, count(*) FROM marks GROUP BY 1 ORDER BY 1";
  expect(await sql.rows(left)).toEqual([
    ["2", "21"],
    ["3", "20"],
  ]);
  await expect(sql.run("INSERT INTO accounts VALUES (1, 2)")).rejects.toMatchObject({ code: "RH011" });

  await run.stop();
  expect(await migration.rehouse("cancel", "--yes")).toMatchObject({ code: 0 });
  expect(await sql.rows("SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 't\\_%'")).toEqual([["t_1"]]);
  expect(await sql.value("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()")).toBe("0");
  expect(await sql.value("SELECT count(*) FROM pg_publication")).toBe("0");
  expect(await sql.value("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal")).toBe("0");
  // The old home is as it was for those who stayed.
  await sql.run("INSERT INTO marks (tenant_id, label) VALUES (2, 'after'); DROP TABLE labels");
  expect(await relations("marks")).toEqual(["marks_id_seq", "marks_label", "marks_pkey"]);

  async function wrote(more: number): Promise<void> {
    const before = TENANTS.map((tenant) => ledger.acknowledged(String(tenant)));
    await waitUntil(() => TENANTS.every((tenant, at) => ledger.acknowledged(String(tenant)) >= (before[at] ?? 0) + more), {
      deadlineMs: 60_000,
      what: `${more} more writes of every tenant`,
    });
  }

  async function switched(verb: "cutover" | "rollback", tenant: string) {
    const said = await migration.rehouse(verb, "--tenant", tenant, "--json");
    expect(said.code, `${said.out}\n${said.err}`).toBe(0);
    const switches: SwitchDocument = JSON.parse(said.out);
    return switches.tenants[0];
  }

  async function relations(table: string): Promise<(string | null | undefined)[]> {
    const rows = await sql.rows(
      `SELECT relname FROM pg_class WHERE relname LIKE $1 AND relkind IN ('i', 'S') AND relnamespace = 'public'::regnamespace ORDER BY 1`,
      [`${table}_%`],
    );
    return rows.map(([name]) => name);
  }

  async function homePhase(): Promise<string | null> {
    return sql.value("SELECT phase FROM rehouse.tenant WHERE migration LIKE '%.reverse' AND tenant = '1'");
  }
});
