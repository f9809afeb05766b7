/** Ways in which rows get into tables, and out of them: none leads round the fence. */

import { from as copyFrom } from "pg-copy-streams";
import { describe, expect, test } from "vitest";
import { disarm } from "../../src/fence/index.ts";
import { Random } from "../support/index.ts";
import { byTenantId, FenceScene, MIGRATION, ORDERS } from "./scene.ts";

const MOVED = { sqlstate: "RH011" };

test("COPY, ON CONFLICT, MERGE, CTEs, cascades: each is a write like any other", async () => {
  await using scene = await FenceScene.prepare(`
    CREATE TABLE accounts (tenant_id int PRIMARY KEY);
    CREATE TABLE orders (tenant_id int REFERENCES accounts ON DELETE CASCADE ON UPDATE CASCADE, id int, note text, PRIMARY KEY (tenant_id, id));
    INSERT INTO accounts VALUES (1), (2), (3); INSERT INTO orders SELECT t, 1, 'old' FROM generate_series(1, 3) AS t`);
  await scene.arm([byTenantId("orders")], ["1", "2"]);
  await scene.moveAway("1");
  const writer = await scene.writer();
  const writes = (tenant: number) => [
    `INSERT INTO orders VALUES (${tenant}, 1, 'mine') ON CONFLICT (tenant_id, id) DO UPDATE SET note = excluded.note`,
    `MERGE INTO orders USING (VALUES (${tenant}, 1)) AS v(t, i) ON tenant_id = t AND id = i WHEN MATCHED THEN UPDATE SET note = 'merged'`,
    `WITH gone AS (DELETE FROM orders WHERE tenant_id = ${tenant} RETURNING *) INSERT INTO orders SELECT tenant_id, id + 10, note FROM gone`,
    `DELETE FROM accounts WHERE tenant_id = ${tenant}`,
  ];
  for (const sql of writes(1)) expect(await writer.try(sql), sql).toMatchObject(MOVED);
  for (const tenant of [2, 3]) for (const sql of writes(tenant)) expect(await writer.try(sql), sql).toEqual({ rows: 1 });

  await scene.sql.run("INSERT INTO accounts VALUES (2), (3)");
  expect(await copy(scene, "2\t5\ta\n3\t5\tb\n")).toBe("ok");
  expect(await copy(scene, "2\t6\ta\n3\t6\tb\n1\t6\tc\n")).toBe("RH011");
  expect(await scene.sql.rows("SELECT tenant_id, id, note FROM orders ORDER BY 1, 2")).toEqual([
    ["1", "1", "old"],
    ["2", "5", "a"],
    ["3", "5", "b"],
  ]);
});

async function copy(scene: FenceScene, text: string): Promise<string> {
  const { client } = await scene.writer();
  const stream = client.query(copyFrom("COPY orders FROM STDIN"));
  return new Promise((resolve) => {
    stream.on("finish", () => resolve("ok"));
    stream.on("error", (error) => resolve(String(Reflect.get(error, "code"))));
    stream.end(text);
  });
}

test("a row that changes hands is a write of both its tenants", async () => {
  await using scene = await FenceScene.armed();
  await scene.sql.run("INSERT INTO orders SELECT t, 10 * t + n, '' FROM generate_series(1, 3) AS t, generate_series(1, 4) AS n");
  const writer = await scene.writer();
  const change = (from: number, to: number) =>
    `UPDATE orders SET tenant_id = ${to} WHERE (tenant_id, id) = (${from}, ${10 * from + to})`;
  for (const [from, to] of [
    [1, 2],
    [3, 1],
    [1, 3],
  ] as const) {
    await writer.run(`BEGIN; ${change(from, to)}`);
    for (const tenant of ["1", "2"]) {
      const locked = scene.lock(tenant, { lockTimeoutMs: 50, attempts: 1 });
      if ([from, to].map(String).includes(tenant)) await expect(locked).rejects.toMatchObject({ code: "REHOUSE_FENCE_BUSY" });
      else await (await locked).release();
    }
    await writer.run("ROLLBACK");
  }
  await scene.moveAway("1");
  for (const [from, to] of [
    [1, 2],
    [2, 1],
    [3, 1],
    [1, 3],
  ] as const)
    expect(await writer.try(change(from, to))).toMatchObject(MOVED);
  for (const [from, to] of [
    [2, 3],
    [3, 2],
  ] as const)
    expect(await writer.try(change(from, to))).toEqual({ rows: 1 });
});

test("partitions: by the root, at a leaf, in one that came later; rows that move between them; a TRUNCATE of each", async () => {
  await using scene = await FenceScene.prepare(`
    CREATE SCHEMA parts;
    CREATE TABLE events (tenant_id int, day int, note text) PARTITION BY RANGE (day);
    CREATE TABLE parts.early PARTITION OF events FOR VALUES FROM (0) TO (10);
    CREATE TABLE parts.late PARTITION OF events FOR VALUES FROM (10) TO (20) PARTITION BY LIST (tenant_id);
    CREATE TABLE parts.late_one PARTITION OF parts.late FOR VALUES IN (1);
    CREATE TABLE parts.late_rest PARTITION OF parts.late DEFAULT;
    INSERT INTO events SELECT t, d, '' FROM generate_series(1, 3) AS t, generate_series(0, 19) AS d`);
  await scene.arm([byTenantId("events")], ["1", "2"]);
  await scene.sql.run(`
    CREATE TABLE parts.attached (tenant_id int, day int, note text);
    INSERT INTO parts.attached VALUES (1, 21, ''), (2, 21, '');
    ALTER TABLE events ATTACH PARTITION parts.attached FOR VALUES FROM (20) TO (30);
    CREATE TABLE parts.newest PARTITION OF events FOR VALUES FROM (30) TO (40);`);
  // Its rows are fenced by themselves, but not its TRUNCATE.
  await expect(scene.lock("1")).rejects.toMatchObject({ code: "REHOUSE_NOT_ARMED" });
  await scene.arm([], []);
  await scene.moveAway("1");
  const writer = await scene.writer();
  const LEAVES = ["events", "parts.early", "parts.late", "parts.late_one", "parts.late_rest", "parts.attached", "parts.newest"];
  await writer.run("SET session_replication_role = replica");
  for (const [leaf, day] of [
    ["events", 5],
    ["parts.early", 5],
    ["parts.late", 15],
    ["parts.late_one", 15],
    ["parts.attached", 25],
    ["parts.newest", 35],
  ] as const) {
    expect(await writer.try(`INSERT INTO ${leaf} VALUES (1, ${day}, '')`), leaf).toMatchObject(MOVED);
    if (leaf !== "parts.late_one")
      expect(await writer.try(`INSERT INTO ${leaf} VALUES (2, ${day}, '')`), leaf).toEqual({ rows: 1 });
  }
  for (const leaf of LEAVES) expect(await writer.try(`TRUNCATE ${leaf}`), leaf).toMatchObject(MOVED);
  expect(await writer.try("UPDATE events SET day = 12 WHERE day = 1 AND tenant_id = 1")).toMatchObject(MOVED);
  expect(await writer.try("UPDATE events SET day = 12 WHERE day = 1 AND tenant_id = 2")).toEqual({ rows: 1 });
  expect(await writer.try("DELETE FROM parts.late_one WHERE day = 11")).toMatchObject(MOVED);

  await disarm({ database: scene.database, migration: MIGRATION }, ["1", "2"]);
  expect(await scene.sql.rows("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal")).toEqual([]);
});

test("TRUNCATE waits for nobody: it has locked out readers, the switch's own among them", async () => {
  await using scene = await FenceScene.armed();
  const [writer, truncating] = [await scene.writer(), await scene.writer()];
  expect(await truncating.try("BEGIN; TRUNCATE orders")).toMatchObject({});
  await expect(scene.lock("2", { lockTimeoutMs: 50, attempts: 1 })).rejects.toMatchObject({ code: "REHOUSE_FENCE_BUSY" });
  await truncating.run("COMMIT");
  const lock = await scene.lock("1");
  expect(await truncating.try("TRUNCATE orders")).toMatchObject({ sqlstate: "RH010" });
  await lock.release();
  expect(await writer.try("INSERT INTO orders VALUES (2, 1, '')")).toEqual({ rows: 1 });
  expect(await truncating.try("TRUNCATE orders")).toMatchObject({ rows: 0 });
  await scene.moveAway("2");
  expect(await truncating.try("TRUNCATE orders")).toMatchObject(MOVED);
});

test("a tenant that a trigger of the application fills in, or changes, is the one that counts", async () => {
  await using scene = await FenceScene.prepare(`${ORDERS}
    CREATE FUNCTION whose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      NEW.tenant_id := coalesce(nullif(NEW.tenant_id, 9), current_setting('shop.tenant')::int); RETURN NEW; END $$;
    CREATE TRIGGER zz_whose BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION whose();`);
  await scene.arm([byTenantId("orders")], ["1", "2"]);
  await scene.moveAway("1");
  const writer = await scene.writer();
  await writer.run("SET shop.tenant = '1'");
  expect(await writer.try("INSERT INTO orders (id) VALUES (1)")).toMatchObject(MOVED);
  expect(await writer.try("INSERT INTO orders VALUES (9, 1)")).toMatchObject(MOVED);
  await writer.run("SET shop.tenant = '2'");
  expect(await writer.try("INSERT INTO orders (id) VALUES (1)")).toEqual({ rows: 1 });
});

describe("whoever writes", () => {
  test("a role that may do nothing but write is held back, and may not look at or change the fence", async () => {
    await using scene = await FenceScene.armed();
    const role = `app_${new URL(scene.url).pathname.slice(1)}`;
    await scene.sql.run(`CREATE ROLE ${role}; GRANT INSERT, SELECT ON orders TO ${role}`);
    try {
      const writer = await scene.writer();
      await writer.run(`SET ROLE ${role}`);
      expect(await writer.try("INSERT INTO orders VALUES (1, 1, '')")).toEqual({ rows: 1 });
      await scene.moveAway("1");
      expect(await writer.try("INSERT INTO orders VALUES (1, 2, '')")).toMatchObject(MOVED);
      expect(await writer.try("INSERT INTO orders VALUES (2, 2, '')")).toEqual({ rows: 1 });
      for (const sql of [
        "SELECT FROM rehouse.fence",
        "SELECT setval('rehouse.fence_1', 5)",
        "SELECT rehouse.pass_fence('', '', 1, 0)",
      ])
        expect(await writer.try(sql)).toMatchObject({ sqlstate: "42501" });
      await writer.run("RESET ROLE");
    } finally {
      await scene.sql.run(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  });

  test("names of one's own that hide those of Postgres change nothing", async () => {
    await using scene = await FenceScene.armed();
    await scene.moveAway("1");
    const writer = await scene.writer();
    await writer.run(`
      CREATE SCHEMA evil;
      CREATE FUNCTION evil.pg_sequence_last_value(regclass) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint';
      CREATE FUNCTION evil.pg_try_advisory_xact_lock_shared(bigint) RETURNS boolean LANGUAGE sql AS 'SELECT true';
      CREATE FUNCTION evil.always(bigint, bigint) RETURNS boolean LANGUAGE sql AS 'SELECT true';
      CREATE OPERATOR evil.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = evil.always);
      CREATE TEMP TABLE fence AS SELECT 'armed'::text AS state;
      SET search_path = evil, pg_temp, public, pg_catalog`);
    expect(await writer.try("INSERT INTO orders VALUES (1, 1, '')")).toMatchObject(MOVED);
    expect(await writer.try("SET row_security = off; INSERT INTO orders VALUES (1, 1, '')")).toMatchObject(MOVED);
    expect(await writer.try("INSERT INTO orders VALUES (2, 1, '')")).toEqual({ rows: 1 });
  });
});

describe("names and types", () => {
  test("tables, columns, tenants and types with anything in their names", async () => {
    const column = `te"na'nt \\ $body$`;
    const tenants = ["a'b", 'x"y', "\\", "{1,2}", "NULL", "", "ü $body$"];
    const id = (name: string) => `"${name.replaceAll('"', '""')}"`;
    await using scene = await FenceScene.prepare(
      `CREATE SCHEMA "od'd"; CREATE DOMAIN "od'd"."te nant" AS text; CREATE TABLE "od'd"."ta""ble" (${id(column)} "od'd"."te nant", n int)`,
    );
    await scene.arm([{ table: { schema: "od'd", table: 'ta"ble' }, tenant: { column, type: `"od'd"."te nant"` } }], tenants);
    const writer = await scene.writer();
    const write = (tenant: string) => writer.try(`INSERT INTO "od'd"."ta""ble" VALUES ($1, 1)`, [tenant]);
    for (const [place, tenant] of tenants.entries()) {
      expect(await write(tenant), tenant).toEqual({ rows: 1 });
      await scene.moveAway(tenant);
      expect(await write(tenant), tenant).toMatchObject({ ...MOVED, message: `tenant ${tenant} has moved to the target` });
      for (const other of tenants.slice(place + 1)) expect(await write(other), other).toEqual({ rows: 1 });
    }
  });

  test("among many armed tenants of any type each is found, and no other", async () => {
    const random = new Random(7);
    const many = (one: () => string) => [...new Set(Array.from({ length: 60 }, one))];
    const letters = ["a", "B", "b", "é", "Z", "-", " ", "0", "10", "9", "ß", "ss"];
    const kinds: [type: string, tenants: string[]][] = [
      ["bigint", many(() => String(BigInt(random.int(400) - 200) * 10_000_000_000_000_000n))],
      ["smallint", many(() => String(random.int(400) - 200))],
      ["text", many(() => random.of(letters) + random.of(letters) + random.of(letters))],
      ["character varying(6)", many(() => random.of(letters) + random.of(letters))],
      ["uuid", many(() => `${String(random.int(9_000)).padStart(8, "0")}-0000-4000-8000-${String(random.int(9)).repeat(12)}`)],
    ];
    for (const [type, tenants] of kinds) {
      await using scene = await FenceScene.prepare(`CREATE TABLE t (tenant_id ${type}, id int)`);
      const half = tenants.filter((_, n) => n % 2 === 0);
      await scene.arm([{ table: { schema: "public", table: "t" }, tenant: { column: "tenant_id", type } }], half);
      const moved = new Set(half.filter((_, n) => n % 10 === 0));
      for (const tenant of moved) await scene.moveAway(tenant);
      const writer = await scene.writer();
      await writer.run("SET rehouse.writer = 'on'");
      for (const tenant of tenants) await writer.try("INSERT INTO t VALUES ($1, 1)", [tenant]);
      await writer.run("RESET rehouse.writer");
      for (const [n, tenant] of tenants.entries()) {
        const other = random.of(tenants);
        const expected = (...of: string[]) => (of.some((one) => moved.has(one)) ? MOVED : { rows: 1 });
        for (const [sql, values, outcome] of [
          ["INSERT INTO t VALUES ($1, 2)", [tenant], expected(tenant)],
          ["UPDATE t SET id = 3 WHERE tenant_id = $1 AND id = 1", [tenant], expected(tenant)],
          ["DELETE FROM t WHERE tenant_id = $1 AND id = 2", [tenant], moved.has(tenant) ? { rows: 0 } : { rows: 1 }],
          [
            "UPDATE t SET tenant_id = $2, id = $3 WHERE tenant_id = $1 AND id IN (1, 3)",
            [tenant, other, 100 + n],
            expected(tenant, other),
          ],
        ] as const)
          expect(await writer.try(sql, values), `${type} ${sql} ${tenant} ${other}`).toMatchObject(outcome);
      }
    }
  });

  test("a tenant is the same in columns of several types", async () => {
    const types = ["smallint", "integer", "bigint", "text", "character varying(9)"];
    await using scene = await FenceScene.prepare(
      types.map((type, n) => `CREATE TABLE t${n} (tenant_id ${type}, id int);`).join(""),
    );
    await scene.arm(
      types.map((type, n) => ({ table: { schema: "public", table: `t${n}` }, tenant: { column: "tenant_id", type } })),
      ["1", "2", "3"],
    );
    const writer = await scene.writer();
    for (const n of types.keys()) {
      await writer.run(`BEGIN; INSERT INTO t${n} VALUES ('2', 1)`);
      await expect(scene.lock("2", { lockTimeoutMs: 50, attempts: 1 })).rejects.toMatchObject({ code: "REHOUSE_FENCE_BUSY" });
      await writer.run("COMMIT");
    }
    await scene.moveAway("2");
    for (const n of types.keys()) {
      expect(await writer.try(`INSERT INTO t${n} VALUES ('2', 1)`)).toMatchObject(MOVED);
      expect(await writer.try(`INSERT INTO t${n} VALUES ('3', 1)`)).toEqual({ rows: 1 });
      expect(await writer.try(`INSERT INTO t${n} VALUES ('4', 1)`)).toEqual({ rows: 1 });
      expect(await writer.try(`INSERT INTO t${n} VALUES (NULL, 1)`)).toEqual({ rows: 1 });
    }
  });

  test("a table of one tenant, and a move without tenants", async () => {
    await using scene = await FenceScene.prepare(
      "CREATE SCHEMA t_1; CREATE SCHEMA t_2; CREATE TABLE t_1.a (id int); CREATE TABLE t_2.a (id int)",
    );
    const table = (tenant: string) => ({ table: { schema: `t_${tenant}`, table: "a" }, tenant: { constant: tenant } });
    await scene.arm([table("1"), table("2")], ["1"]);
    expect(await scene.sql.rows("SELECT DISTINCT tgrelid::regclass FROM pg_trigger WHERE NOT tgisinternal")).toEqual([["t_1.a"]]);
    await scene.arm([], ["2"]);
    await scene.moveAway("1");
    const writer = await scene.writer();
    for (const sql of ["INSERT INTO t_1.a VALUES (1)", "TRUNCATE t_1.a"]) expect(await writer.try(sql)).toMatchObject(MOVED);
    for (const sql of ["INSERT INTO t_2.a VALUES (1)", "UPDATE t_2.a SET id = 2", "DELETE FROM t_2.a"])
      expect(await writer.try(sql)).toEqual({ rows: 1 });
    await disarm({ database: scene.database, migration: MIGRATION }, ["1"]);
    expect(await writer.try("INSERT INTO t_1.a VALUES (1)")).toEqual({ rows: 1 });
    expect(await scene.sql.rows("SELECT DISTINCT tgrelid::regclass FROM pg_trigger WHERE NOT tgisinternal")).toEqual([["t_2.a"]]);
  });

  test("two migrations, and a migration and its mirror, hold back each for itself, and all names fit", async () => {
    const long = "a".repeat(40);
    await using scene = await FenceScene.prepare(ORDERS);
    for (const migration of [long, `${long}.reverse`, MIGRATION]) await scene.arm([byTenantId("orders")], ["1", "2"], migration);
    expect(await scene.sql.value("SELECT count(*) FROM pg_trigger WHERE tgname LIKE '!rehouse%'")).toBe("12");
    const lock = await scene.lock("1", undefined, `${long}.reverse`);
    await lock.fence("source");
    await lock.moved();
    await lock.release();
    const writer = await scene.writer();
    const refused = await writer.try("INSERT INTO orders VALUES (1, 1)");
    expect(refused).toMatchObject({
      ...MOVED,
      message: "tenant 1 has moved to the source",
      detail: expect.stringContaining(`"${long}"`),
    });
    await disarm({ database: scene.database, migration: `${long}.reverse` }, ["1", "2"]);
    expect(await writer.try("INSERT INTO orders VALUES (1, 1)")).toEqual({ rows: 1 });
    await (await scene.lock("1", undefined, long)).release();
  });
});
