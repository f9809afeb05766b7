/** The first five minutes: init reads the demo's database, and what it writes is what check, plan and the target take. */

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createSaas } from "../../demo/saas.ts";
import type { CheckDocument, InitDocument, PlanDocument } from "../../src/cli/documents.ts";
import { addresses, freshDatabases, RehouseProcess, Sql } from "../support/index.ts";

test("a file proposed from the demo's database loads, passes the preflight, and its plan makes the target", async () => {
  await using databases = await freshDatabases();
  const folder = await mkdtemp(join(tmpdir(), "rehouse-first-"));
  const path = join(folder, "rehouse.yaml");
  const { kafkaBrokers, registryUrl } = addresses();
  const environment = {
    SOURCE_URL: databases.sourceUrl,
    TARGET_URL: databases.targetUrl,
    KAFKA_BROKERS: kafkaBrokers.join(","),
    REGISTRY_URL: registryUrl,
  };
  const rehouse = async <T>(...args: readonly string[]): Promise<T> => {
    const { code, out, err } = await new RehouseProcess([...args, "--json"], environment).ended;
    expect({ code, err }, out).toEqual({ code: 0, err: "" });
    return JSON.parse(out);
  };
  try {
    await createSaas(databases.sourceUrl, { rows: 1000, tenants: 4 });
    const found = await rehouse<InitDocument>("init", "-o", path, "--name", databases.name.replaceAll("_", "-"));
    expect(found.tenants).toEqual({ column: "account_id", root: { table: "public.accounts", key: "id" }, tables: 7 });
    expect(found.tables.map(({ table, kind, cares }) => [table.replace("public.", ""), kind, cares.length])).toEqual([
      ["countries", "shared", 0],
      ...["accounts", "users", "projects", "tasks", "comments", "invoices", "invoice_lines", "project_members"].map((name) => [
        name,
        "tenant",
        0,
      ]),
    ]);
    const text = await readFile(path, "utf8");
    const { username, password } = new URL(databases.sourceUrl);
    for (const secret of [password, `${username}:`]) if (secret !== "") expect(text).not.toContain(secret);

    const { findings } = await rehouse<CheckDocument>("check", "-f", path);
    expect(findings.filter(({ severity }) => severity === "error")).toEqual([]);

    const plan = await rehouse<PlanDocument>("plan", "-f", path);
    expect(plan).toMatchObject({ begun: false, measured: null, tenants: { count: 4 } });
    expect(plan.tables.find(({ table }) => table === "public.tasks")).toMatchObject({ target: "public.tasks", isThere: false });
    expect(plan.rows).toBeGreaterThan(700);
    await using target = new Sql(databases.targetUrl);
    expect(await target.value("SELECT count(*) FROM pg_tables WHERE schemaname IN ('public', 'rehouse')")).toBe("0");
    for (const { create, finish } of plan.ddl) await target.run([...create, ...finish].join(";\n"));
    expect(await target.value("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")).toBe("9");
  } finally {
    await rm(folder, { recursive: true });
  }
});
