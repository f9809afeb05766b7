import { describe, expect, it } from "vitest";
import { createSlotMaker } from "../../connectors/postgres/replication.ts";
import { provision, removeProvision, slotName } from "../../src/capture/index.ts";
import { parseLsn } from "../../src/model/position.ts";
import { asXid, isVisible, parseSnapshot } from "../../src/model/snapshot.ts";
import { captureLab, type Lab } from "./lab.ts";

const TABLES = [{ table: "orders", key: ["id"] }];
const ORDERS =
  "CREATE TABLE orders (id bigint PRIMARY KEY, tenant int, note text); CREATE TABLE lines (id bigint PRIMARY KEY, tenant int)";
const never = () => new AbortController().signal;

describe("provision", () => {
  it("makes publication and slot once, and keeps what the slot's own snapshot sees", async () => {
    await using lab = await captureLab(ORDERS, TABLES);
    const before = await lab.source.value("INSERT INTO orders VALUES (1, 1, 'before') RETURNING pg_current_xact_id()");
    const made = await provision(lab.provisioning, never());
    const after = await lab.source.value("INSERT INTO orders VALUES (2, 1, 'after') RETURNING pg_current_xact_id()");
    const snapshot = parseSnapshot(made.snapshot);
    expect(isVisible(snapshot, asXid(BigInt(before ?? 0)))).toBe(true);
    expect(isVisible(snapshot, asXid(BigInt(after ?? 0)))).toBe(false);
    expect(await provision(lab.provisioning, never())).toEqual(made);
    expect(await lab.target.rows("SELECT slot_lsn, slot_snapshot, slot_intended IS NOT NULL FROM rehouse.migration")).toEqual([
      [await slotPoint(lab), made.snapshot, "t"],
    ]);
    expect(parseLsn((await slotPoint(lab)) ?? "")).toBe(made.lsn);
  });

  it.each([
    "ALTER PUBLICATION %I DROP TABLE orders",
    "ALTER PUBLICATION %I SET (publish = 'insert, update')",
    "DROP PUBLICATION %I",
  ])("says that changes are missing after %s, and does not mend it in silence", async (statement) => {
    await using lab = await captureLab(ORDERS, TABLES);
    await provision(lab.provisioning, never());
    await lab.source.run(statement.replace("%I", slotName(lab.migration)));
    await expect(provision(lab.provisioning, never())).rejects.toMatchObject({
      code: "REHOUSE_PUBLICATION_LOST",
      fix: expect.stringContaining("rehouse resync"),
    });
  });

  it("refuses a slot of the name that it did not make", async () => {
    await using lab = await captureLab(ORDERS, TABLES);
    await lab.source.rows("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [slotName(lab.migration)]);
    await expect(provision(lab.provisioning, never())).rejects.toMatchObject({
      code: "REHOUSE_SLOT_EXISTS",
      fix: expect.stringContaining("pg_drop_replication_slot"),
    });
    expect(await lab.source.rows("SELECT pubname FROM pg_publication")).toEqual([]);
  });

  it("makes the slot again when it died before it kept the snapshot", async () => {
    await using lab = await captureLab(ORDERS, TABLES);
    await lab.source.rows("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [slotName(lab.migration)]);
    await lab.target.run("UPDATE rehouse.migration SET slot_intended = now()");
    const made = await provision(lab.provisioning, never());
    expect(made.snapshot).toMatch(/^\d+:\d+:/);
  });

  it("makes a slot that standbys keep a copy of, where the file asks for it and the server has such", async () => {
    await using lab = await captureLab(ORDERS, TABLES);
    const slots = createSlotMaker({ url: lab.source.url }, { failover: true });
    const made = provision({ ...lab.provisioning, slots }, never());
    if (Number(await lab.source.value("SHOW server_version_num")) < 170_000) await expect(made).rejects.toThrow();
    else {
      await made;
      const [slot] = await lab.source.rows("SELECT failover FROM pg_replication_slots WHERE slot_name = $1", [
        slotName(lab.migration),
      ]);
      expect(slot).toEqual(["t"]);
    }
  });

  it("says that a slot it made is gone", async () => {
    await using lab = await captureLab(ORDERS, TABLES);
    await provision(lab.provisioning, never());
    await lab.source.rows("SELECT pg_drop_replication_slot($1)", [slotName(lab.migration)]);
    await expect(provision(lab.provisioning, never())).rejects.toMatchObject({ code: "REHOUSE_SLOT_LOST" });
  });

  it("can be stopped while the slot waits for a transaction that stays open", async () => {
    await using lab = await captureLab(ORDERS, TABLES);
    await lab.source.session(async (session) => {
      await session.query("BEGIN; INSERT INTO orders VALUES (9, 9, 'open')");
      await expect(provision(lab.provisioning, AbortSignal.timeout(500))).rejects.toThrow();
      await session.query("ROLLBACK");
    });
    expect((await provision(lab.provisioning, never())).snapshot).toMatch(/^\d+:\d+:/);
  });
});

describe("removeProvision", () => {
  it("takes slot and publication away under a running capture, and again without harm", async () => {
    await using lab = await captureLab(ORDERS, TABLES);
    await provision(lab.provisioning, never());
    const running = lab.start();
    await lab.reading();
    await removeProvision(lab.provisioning.source, lab.migration);
    await removeProvision(lab.provisioning.source, lab.migration);
    expect(
      await lab.source.rows(
        "SELECT slot_name FROM pg_replication_slots WHERE slot_name = $1 UNION ALL SELECT pubname FROM pg_publication",
        [slotName(lab.migration)],
      ),
    ).toEqual([]);
    await expect(running.ended).rejects.toMatchObject({ name: "RehouseError" });
  });
});

function slotPoint(lab: Lab): Promise<string | null> {
  return lab.source.value("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = $1", [slotName(lab.migration)]);
}
