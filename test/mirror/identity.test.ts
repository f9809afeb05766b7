import { expect, test } from "vitest";
import { createDatabase } from "../../connectors/postgres/database.ts";
import { missingIdentities, setIdentity } from "../../src/mirror/identity.ts";
import { table } from "../apply/support/tables.ts";
import { freshDatabases } from "../support/index.ts";

const COLUMNS = ["tenant_id int", "id int", "note text"];
const of = (name: string) => table({ name, columns: COLUMNS });
const NAMES = ["whole", "bare", "spare", "nullable", "silent", "full", "parts"];

/** Each has to say `id` and `tenant_id` of an old row. */
const TABLES = `
  CREATE TABLE public.whole (tenant_id int, id int, note text, PRIMARY KEY (id, tenant_id));
  CREATE TABLE public.bare (tenant_id int, id int PRIMARY KEY, note text);
  CREATE TABLE public.spare (tenant_id int NOT NULL, id int PRIMARY KEY, note text, UNIQUE (tenant_id, id), UNIQUE (tenant_id, id, note));
  CREATE TABLE public.nullable (tenant_id int, id int NOT NULL, note text, UNIQUE (tenant_id, id));
  CREATE TABLE public.silent (tenant_id int NOT NULL, id int NOT NULL, note text);
  CREATE UNIQUE INDEX some_of_silent ON public.silent (tenant_id, id) WHERE id > 0;
  CREATE UNIQUE INDEX "index of silent" ON public.silent (id, tenant_id);
  ALTER TABLE public.silent REPLICA IDENTITY NOTHING;
  CREATE TABLE public."full" (tenant_id int, id int PRIMARY KEY, note text);
  ALTER TABLE public."full" REPLICA IDENTITY FULL;
  CREATE TABLE public.parts (tenant_id int, id int, note text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
  CREATE TABLE public.parts_low PARTITION OF public.parts FOR VALUES FROM (0) TO (100);
  ALTER TABLE public.parts_low REPLICA IDENTITY FULL;
  CREATE TABLE public.parts_high PARTITION OF public.parts FOR VALUES FROM (100) TO (200)`;

test("tables whose old rows would not say their key or their tenant are told to, partitions too, and told back", async () => {
  await using databases = await freshDatabases();
  const database = createDatabase({ url: databases.targetUrl });
  const { signal } = new AbortController();
  const missing = () => missingIdentities(database, NAMES.map(of));
  try {
    await database.query(TABLES);
    const changes = await missing();
    expect(changes.map(({ relation, was, to }) => [relation, was, to])).toEqual([
      ["public.bare", "DEFAULT", "FULL"],
      ["public.spare", "DEFAULT", 'USING INDEX "spare_tenant_id_id_key"'],
      ["public.nullable", "DEFAULT", "FULL"],
      ["public.silent", "NOTHING", 'USING INDEX "index of silent"'],
      ["public.parts", "DEFAULT", "FULL"],
      ["public.parts_high", "DEFAULT", "FULL"],
    ]);
    for (const { relation, to } of changes) await setIdentity(database, relation, to, signal);
    expect(await missing()).toEqual([]);
    for (const { relation, was } of changes) await setIdentity(database, relation, was, signal);
    expect(await missing()).toEqual(changes);
  } finally {
    await database.close();
  }
});

test("a table that is in use for a moment is waited for", async () => {
  await using databases = await freshDatabases();
  const database = createDatabase({ url: databases.targetUrl });
  const reader = await database.connect();
  try {
    await database.query(TABLES);
    await reader.query("BEGIN");
    await reader.query("SELECT FROM public.bare");
    let isDone = false;
    const set = setIdentity(database, "public.bare", "FULL", new AbortController().signal).then(() => {
      isDone = true;
    });
    const waits = "SELECT count(*) AS waits FROM pg_locks WHERE relation = 'public.bare'::regclass AND NOT granted";
    await expect.poll(async () => (await database.query(waits))[0]?.["waits"], { timeout: 10_000 }).toBe("1");
    // Whoever comes meanwhile has to wait no longer than the lock's timeout.
    await expect.poll(async () => (await database.query(waits))[0]?.["waits"], { timeout: 10_000 }).toBe("0");
    expect(isDone).toBe(false);
    await reader.query("COMMIT");
    await set;
  } finally {
    await reader.close(true);
    await database.close();
  }
});
