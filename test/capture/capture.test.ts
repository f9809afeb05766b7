import { describe, expect, it } from "vitest";
import { slotName } from "../../src/capture/index.ts";
import { asLsn, comparePositions } from "../../src/model/position.ts";
import type { ChangesProducer } from "../../src/ports.ts";
import { waitUntil } from "../support/index.ts";
import { type Change, captureLab, type Lab, provisioned } from "./lab.ts";

const ORDERS = `
  CREATE TABLE orders (id bigint PRIMARY KEY, tenant int, note text);
  ALTER TABLE orders REPLICA IDENTITY FULL;
`;

describe("capture", () => {
  it("publishes rows as the server's own text, with their types, whatever the role's settings are", async () => {
    await using lab = await captureLab(
      `CREATE TYPE mood AS ENUM ('so so', 'fine');
       CREATE TABLE odd (id int PRIMARY KEY, tenant text, "Käse, 1" numeric(12,2), at timestamptz, took interval, f float8, b bytea, m mood, list text[], j json)`,
      [{ table: "odd", key: ["id"] }],
    );
    await lab.source.run(
      "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET DateStyle = german', current_database()); EXECUTE format('ALTER DATABASE %I SET bytea_output = escape', current_database()); END $$",
    );
    await provisioned(lab);
    lab.start();
    await lab.source.run(
      `INSERT INTO odd VALUES (1, 'a', 12.50, '2024-02-29 12:34:56.789012+02', '1 mon 2 days', 0.1::float8 + 0.2, '\\x00ff', 'so so', ARRAY['x,y', NULL, '"'], '{"a" :  1}')`,
    );
    await lab.caughtUp();
    expect(await lab.changes()).toMatchObject([
      {
        op: "c",
        tenant: "a",
        table: "public.odd",
        txLast: true,
        after: {
          id: "1",
          "Käse, 1": "12.50",
          at: "2024-02-29 10:34:56.789012+00",
          took: "1 mon 2 days",
          f: "0.30000000000000004",
          b: "\\x00ff",
          m: "so so",
          list: '{"x,y",NULL,"\\""}',
          j: '{"a" :  1}',
        },
        types: { id: "integer", "Käse, 1": "numeric(12,2)", at: "timestamp with time zone", m: "public.mood", list: "text[]" },
      },
    ]);
  });

  it("publishes every change once and in order, however often it is stopped and started", async () => {
    await using lab = await provisioned(await captureLab(ORDERS, [{ table: "orders", key: ["id"] }]));
    const writing = write(lab, 60);
    for (let round = 0; round < 4; round += 1) {
      const running = lab.start();
      // Not by the count in the state tables: what was published after the last beat of a run is not in it.
      const published = async () => (await lab.deps.topic.offsets()).reduce((sum, { high }) => sum + Number(high), 0);
      await waitUntil(async () => (await published()) > round * 50, {
        deadlineMs: 30_000,
        what: "some changes",
      });
      await running.stop();
    }
    await writing;
    lab.start();
    await lab.caughtUp();
    const changes = await lab.changes();
    expectOrdered(changes);
    expect(replay(changes)).toEqual(await rows(lab));
  });

  it("repeats nothing that Kafka has, when it dies between Kafka's answer and its own acknowledgement", async () => {
    await using lab = await provisioned(await captureLab(ORDERS, [{ table: "orders", key: ["id"] }]));
    await lab.source.run("INSERT INTO orders SELECT g, g % 5, 'x' FROM generate_series(1, 100) g");
    const dying = lab.start({ producer: async () => dyingAfter(1, await lab.deps.producer()) });
    await expect(dying.ended).rejects.toThrow("died after the send");
    expect((await lab.changes()).length).toBeGreaterThan(0);
    lab.start();
    await lab.caughtUp();
    const changes = await lab.changes();
    expect(changes.length).toBe(100);
    expectOrdered(changes);
  });

  it("goes on over a changed table, with the new column from the row on that has it", async () => {
    await using lab = await provisioned(await captureLab(ORDERS, [{ table: "orders", key: ["id"] }]));
    lab.start();
    await lab.source.run("INSERT INTO orders VALUES (1, 1, 'a')");
    await lab.source.run(
      "BEGIN; INSERT INTO orders VALUES (2, 1, 'b'); ALTER TABLE orders ADD COLUMN more numeric(5,1); INSERT INTO orders VALUES (3, 1, 'c', 1.5); COMMIT",
    );
    await lab.source.run("ALTER TABLE orders ALTER COLUMN note TYPE varchar(9)");
    await lab.source.run("UPDATE orders SET note = 'd' WHERE id = 3");
    await lab.caughtUp();
    const changes = await lab.changes();
    expect(changes.map((change) => change.after)).toEqual([
      { id: "1", tenant: "1", note: "a" },
      { id: "2", tenant: "1", note: "b" },
      { id: "3", tenant: "1", note: "c", more: "1.5" },
      { id: "3", tenant: "1", note: "d", more: "1.5" },
    ]);
    expect(changes.map((change) => change.types["note"])).toEqual(["text", "text", "text", "character varying(9)"]);
  });

  it("sends a row that changes its tenant away from the old one and in to the new", async () => {
    await using lab = await provisioned(await captureLab(ORDERS, [{ table: "orders", key: ["id"] }], { tenants: ["1", "2"] }));
    lab.start();
    await lab.source.run("INSERT INTO orders VALUES (1, 1, 'a'), (2, 3, 'stays')");
    await lab.source.run(
      "UPDATE orders SET tenant = 2 WHERE id = 1; UPDATE orders SET tenant = 3 WHERE id = 1; UPDATE orders SET tenant = 1 WHERE id = 2; TRUNCATE orders",
    );
    await lab.caughtUp();
    const changes = (await lab.changes()).toSorted((a, b) => comparePositions(a.position, b.position));
    expect(changes.filter(({ op }) => op !== "t").map(({ op, tenant }) => [op, tenant])).toEqual([
      ["c", "1"],
      ["d", "1"],
      ["c", "2"],
      ["d", "2"],
      ["c", "1"],
    ]);
    expect(changes.filter(({ op }) => op === "t").map(({ partition }) => partition)).toEqual([0, 1, 2]);
  });

  it("leaves out what an apply of Rehouse wrote, and says once that rows have no tenant", async () => {
    await using lab = await provisioned(await captureLab(ORDERS, [{ table: "orders", key: ["id"] }]));
    lab.start();
    await lab.source.run(
      "BEGIN; SELECT pg_logical_emit_message(true, 'rehouse', 'apply:back'); INSERT INTO orders VALUES (1, 1, 'applied'); COMMIT",
    );
    await lab.source.run(
      "INSERT INTO orders VALUES (2, NULL, 'nobody'); INSERT INTO orders VALUES (3, NULL, 'nobody'); INSERT INTO orders VALUES (4, 1, 'own')",
    );
    await lab.caughtUp();
    expect((await lab.changes()).map((change) => change.after?.["note"])).toEqual(["own"]);
    const told = () => lab.target.rows("SELECT detail ->> 'table' FROM rehouse.journal WHERE event = 'rows-without-tenant'");
    await waitUntil(async () => (await told()).length > 0, { deadlineMs: 10_000, what: "the journal entry" });
    expect(await told()).toEqual([["public.orders"]]);
  });

  it("stops at a row that is written without a tenant where that is to be refused, and goes on where it is to be left", async () => {
    await using lab = await provisioned(await captureLab(ORDERS, [{ table: "orders", key: ["id"] }]));
    const refusing = lab.start({ refusesOrphans: true });
    await lab.source.run("INSERT INTO orders VALUES (1, 1, 'own'); INSERT INTO orders VALUES (2, NULL, 'nobody')");
    await expect(refusing.ended).rejects.toMatchObject({
      code: "REHOUSE_ROW_WITHOUT_TENANT",
      where: "public.orders",
      message: expect.stringContaining("id = 2"),
    });
    await lab.source.run("UPDATE orders SET tenant = 3 WHERE id = 2");
    lab.start();
    await lab.caughtUp();
    expect((await lab.changes()).map(({ op, tenant }) => [op, tenant])).toEqual(
      expect.arrayContaining([
        ["c", "1"],
        ["c", "3"],
      ]),
    );
  });

  it("takes unchanged TOAST from the old row, or says that it is missing", async () => {
    await using lab = await provisioned(
      await captureLab(
        `CREATE TABLE lean (id int, tenant int, big text, n int, PRIMARY KEY (id, tenant)); ALTER TABLE lean ALTER big SET STORAGE EXTERNAL;
         CREATE TABLE whole (LIKE lean INCLUDING ALL); ALTER TABLE whole REPLICA IDENTITY FULL;`,
        [
          { table: "lean", key: ["id", "tenant"] },
          { table: "whole", key: ["id", "tenant"] },
        ],
      ),
    );
    lab.start();
    for (const table of ["lean", "whole"])
      await lab.source.run(`INSERT INTO ${table} VALUES (1, 1, repeat('z', 5000), 1); UPDATE ${table} SET n = 2`);
    await lab.caughtUp();
    const updates = (await lab.changes()).filter(({ op }) => op === "u");
    expect(updates.map(({ table, unavailable, after }) => [table, unavailable, after?.["big"]?.length])).toEqual([
      ["public.lean", ["big"], "__debezium_unavailable_value".length],
      ["public.whole", [], 5000],
    ]);
  });

  it("publishes a transaction far larger than its queue, with its last change marked in each partition", async () => {
    await using lab = await provisioned(await captureLab(ORDERS, [{ table: "orders", key: ["id"] }]));
    lab.start();
    await lab.source.run("INSERT INTO orders SELECT g, g % 50, repeat('x', 200) FROM generate_series(1, 60000) g");
    await lab.caughtUp();
    const changes = await lab.changes();
    expect(changes.length).toBe(60_000);
    expectOrdered(changes);
    expect(changes.filter(({ txLast }) => txLast).map(({ partition }) => partition)).toEqual([0, 1, 2]);
  });

  it("lets the slot move on while nothing happens to its tables", async () => {
    await using lab = await provisioned(
      await captureLab(`${ORDERS} CREATE TABLE elsewhere (id int)`, [{ table: "orders", key: ["id"] }]),
    );
    lab.start();
    await lab.source.run("INSERT INTO elsewhere SELECT g FROM generate_series(1, 1000) g");
    await lab.caughtUp();
    expect(await lab.changes()).toEqual([]);
  });
});

describe("an offset note", () => {
  it("lies before every change of every transaction that is not older than its xid", async () => {
    await using lab = await provisioned(await captureLab(ORDERS, [{ table: "orders", key: ["id"] }]));
    // Somebody is on the way, so there are ten beats a second.
    await lab.target.rows("INSERT INTO rehouse.tenant (migration, tenant, kind, partition) VALUES ($1, '1', 'tenant', 0)", [
      lab.migration,
    ]);
    lab.start();
    // Transactions that begin early and commit late, across many beats.
    await Promise.all([write(lab, 150), ...[1, 2, 3].map((n) => slowly(lab, n))]);
    await lab.caughtUp();
    const notes = (await lab.target.rows("SELECT xid_ceiling, to_json(offsets) FROM rehouse.offset_note ORDER BY lsn")).map(
      ([ceiling, offsets]) => ({
        ceiling: BigInt(ceiling ?? 0),
        offsets: numbers(JSON.parse(offsets ?? "[]")),
      }),
    );
    const all = await lab.changes({ beats: true });
    const changes = all.filter(({ op }) => op !== "m");
    // The xmax of the beat's snapshot may be the xid of a transaction that is in the WAL already, and not visible yet.
    const ofBeats = new Set(all.filter(({ op }) => op === "m").map(({ xid }) => BigInt(xid)));
    expect(notes.slice(1).filter(({ ceiling }) => !ofBeats.has(ceiling))).toEqual([]);
    expect(notes.length).toBeGreaterThan(5);
    expect(notes[0]).toEqual({ ceiling: 0n, offsets: [0, 0, 0, 0] });
    expect(notes.at(-1)?.offsets.some((offset) => offset > 0)).toBe(true);
    for (const { ceiling, offsets } of notes) {
      const early = changes.filter(
        ({ xid, partition, offset }) => BigInt(xid) >= ceiling && Number(offset) < (offsets[partition] ?? 0),
      );
      expect(early).toEqual([]);
    }
  });
});

describe("what stands in the way is said by its code", () => {
  it("a slot that is gone", async () => {
    await using lab = await provisioned(await captureLab(ORDERS, [{ table: "orders", key: ["id"] }]));
    await lab.source.rows("SELECT pg_drop_replication_slot($1)", [slotName(lab.migration)]);
    await expect(lab.start().ended).rejects.toMatchObject({ code: "REHOUSE_SLOT_LOST" });
  });

  it("a source that was put back to where it was before", async () => {
    await using lab = await provisioned(await captureLab(ORDERS, [{ table: "orders", key: ["id"] }]));
    const ahead = { position: { lsn: asLsn(0xffff_0000_0000n), ordinal: 1 }, offset: 0n };
    await expect(lab.start({ tail: { last: async () => new Map([[0, ahead]]) } }).ended).rejects.toMatchObject({
      code: "REHOUSE_SOURCE_REWOUND",
      where: expect.any(String),
      fix: expect.any(String),
    });
  });

  it("a source of another history, also where it has written enough since to be past what was captured", async () => {
    await using lab = await provisioned(await captureLab(ORDERS, [{ table: "orders", key: ["id"] }]));
    const first = lab.start();
    await lab.source.run("INSERT INTO orders VALUES (1, 1, 'a')");
    await lab.caughtUp();
    await first.stop();
    await lab.target.run("UPDATE rehouse.migration SET timeline = 7");
    await expect(lab.start().ended).rejects.toMatchObject({
      code: "REHOUSE_SOURCE_REWOUND",
      message: expect.stringContaining("does not come from timeline 7"),
    });
  });

  it("a slot that somebody else reads, and capture works once it is free", async () => {
    await using lab = await provisioned(await captureLab(ORDERS, [{ table: "orders", key: ["id"] }]));
    const first = lab.start();
    await lab.reading();
    await expect(lab.start().ended).rejects.toMatchObject({ code: "REHOUSE_SLOT_ACTIVE" });
    await first.stop();
    lab.start();
    await lab.source.run("INSERT INTO orders VALUES (1, 1, 'a')");
    await lab.caughtUp();
    expect((await lab.changes()).length).toBe(1);
  });

  it("a connection that breaks", async () => {
    await using lab = await provisioned(await captureLab(ORDERS, [{ table: "orders", key: ["id"] }]));
    const running = lab.start();
    await lab.reading();
    await lab.source.rows("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1", [
      slotName(lab.migration),
    ]);
    await expect(running.ended).rejects.toMatchObject({ code: "REHOUSE_UNREACHABLE" });
  });

  it("ends also when it is stopped before its first message, while it registers its schemas", { timeout: 20_000 }, async () => {
    await using lab = await provisioned(await captureLab(ORDERS, [{ table: "orders", key: ["id"] }]));
    const { registry } = lab.deps;
    let stopped: Promise<void> | undefined;
    const running = lab.start({
      registry: {
        ...registry,
        register: (subject, schema) => {
          stopped ??= running.stop();
          return registry.register(subject, schema);
        },
      },
    });
    await running.ended;
    expect(stopped).toBeDefined();
  });

  it("leaves no session behind", async () => {
    await using lab = await provisioned(await captureLab(ORDERS, [{ table: "orders", key: ["id"] }]));
    const running = lab.start();
    await lab.reading();
    await running.stop();
    const sessions = () =>
      lab.source.rows(
        "SELECT application_name FROM pg_stat_activity WHERE datname = current_database() AND (application_name LIKE '%heartbeat%' OR backend_type = 'walsender')",
      );
    await waitUntil(async () => (await sessions()).length === 0, { deadlineMs: 5_000, what: "capture's sessions to end" });
  });
});

// ── traffic and what to make of it ──────────────────────────────────────────────────────────────────────────────────────

async function write(lab: Lab, transactions: number): Promise<void> {
  for (let n = 1; n <= transactions; n += 1) {
    await lab.source.run(`
      BEGIN;
      INSERT INTO orders SELECT ${n} * 100 + g, g % 7, 'new' FROM generate_series(1, 8) g;
      UPDATE orders SET note = 'changed ${n}' WHERE id % 5 = ${n % 5} AND id > ${n} * 100 - 300;
      UPDATE orders SET tenant = tenant + 1 WHERE id = ${n} * 100 + 3;
      DELETE FROM orders WHERE id = ${n} * 100 - 95;
      COMMIT`);
  }
}

async function slowly(lab: Lab, n: number): Promise<void> {
  for (let round = 0; round < 8; round += 1) {
    await lab.source.session(async (session) => {
      await session.query("BEGIN");
      await session.query(`INSERT INTO orders VALUES (${-1000 * n - round}, ${n}, 'slow')`);
      await session.query("SELECT pg_sleep(0.25)");
      await session.query("COMMIT");
    });
  }
}

/** Positions rise in every partition, and a transaction's last change there is the one that says so. */
function expectOrdered(changes: readonly Change[]): void {
  for (const [i, change] of changes.entries()) {
    const next = changes[i + 1];
    const follows = next !== undefined && next.partition === change.partition ? next : undefined;
    if (follows !== undefined) expect(comparePositions(change.position, follows.position)).toBeLessThan(0);
    expect([change.at, change.txLast]).toEqual([
      change.at,
      follows === undefined || follows.position.lsn !== change.position.lsn,
    ]);
  }
}

/** The rows that the changes amount to. */
function replay(changes: readonly Change[]): (string | null)[][] {
  const table = new Map<string, Change["after"]>();
  for (const { before, after } of changes.toSorted((a, b) => comparePositions(a.position, b.position))) {
    if (before?.["id"] != null) table.delete(before["id"]);
    if (after?.["id"] != null) table.set(after["id"], after);
  }
  return [...table.values()]
    .map((row) => [row?.["id"] ?? null, row?.["tenant"] ?? null, row?.["note"] ?? null])
    .toSorted((a, b) => Number(a[0]) - Number(b[0]));
}

function rows(lab: Lab): Promise<(string | null)[][]> {
  return lab.source.rows("SELECT id, tenant, note FROM orders ORDER BY id");
}

function dyingAfter(sends: number, producer: ChangesProducer): ChangesProducer {
  let left = sends;
  return {
    async publish(messages) {
      const next = await producer.publish(messages);
      left -= 1;
      if (left === 0) throw new Error("died after the send");
      return next;
    },
    close: () => producer.close(),
  };
}

function numbers(value: unknown): number[] {
  return Array.isArray(value) ? value.map(Number) : [];
}
