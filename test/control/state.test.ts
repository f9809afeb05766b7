import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createDatabase } from "../../connectors/postgres/database.ts";
import { begin, hasBegun, registerUnits } from "../../src/control/begin.ts";
import { readStatus } from "../../src/control/status.ts";
import { resolveThrottle } from "../../src/file/resolve-throttle.ts";
import type { Mapping, TableMapping } from "../../src/model/mapping.ts";
import { stateSql } from "../../src/package.ts";
import type { Database } from "../../src/ports.ts";
import { type FreshDatabases, freshDatabases } from "../support/index.ts";

const STATE_SQL = stateSql();
const FILE = { name: "m", digest: "d1", kafka: { partitions: 3 } };

function mapping(...kinds: TableMapping["kind"][]): Mapping {
  const tables = kinds.map(
    (kind): TableMapping => ({
      source: { schema: "public", table: kind },
      kind,
      tenantColumn: undefined,
      fixed: undefined,
      sourceColumns: [],
      key: [],
      targetKey: [],
      sourceKey: [],
      targetTable: kind,
      targetSchema: undefined,
      columns: [],
      initial: [],
    }),
  );
  return { migration: "m", tables, schemaTemplate: undefined, tenantColumnAtTarget: "keep" };
}

describe("the state of a migration", () => {
  let databases: FreshDatabases;
  let source: Database;
  let target: Database;
  beforeAll(async () => {
    databases = await freshDatabases();
    source = createDatabase({ url: databases.sourceUrl });
    target = createDatabase({ url: databases.targetUrl });
  });
  afterAll(async () => {
    await Promise.all([source.close(), target.close()]);
    await databases.drop();
  });
  beforeEach(() => target.query("DROP SCHEMA IF EXISTS rehouse CASCADE"));

  const beginning = (over: Partial<Parameters<typeof begin>[0]> = {}) =>
    begin({ file: FILE, mapping: mapping("tenant", "shared"), target, stateSql: STATE_SQL, version: "0", ...over });
  const throttle = resolveThrottle(undefined);
  const status = () => readStatus({ migration: "m", slot: "rehouse_m", source, target, throttle });
  const column = async (sql: string) => (await target.query(sql)).map((row) => Object.values(row).join(" "));

  describe("is begun", () => {
    it("once, however many processes begin it and however often", async () => {
      expect(await hasBegun(target, "m")).toBe(false);
      expect(await Promise.all(Array.from({ length: 4 }, () => beginning()))).toEqual([3, 3, 3, 3]);
      expect(await beginning()).toBe(3);
      expect(await hasBegun(target, "m")).toBe(true);
      expect(await hasBegun(target, "another")).toBe(false);
      expect(await column("SELECT partition, lane, next_offset FROM rehouse.lane ORDER BY 1")).toEqual([
        "0 main 0",
        "1 main 0",
        "2 main 0",
        "3 main 0",
      ]);
      expect(await column("SELECT event FROM rehouse.journal")).toEqual(["begun"]);
    });

    it("with a partition of its own for the shared tables, and with one alone where there are no tenants", async () => {
      await beginning({ mapping: mapping("whole") });
      expect(await column("SELECT partition FROM rehouse.lane")).toEqual(["0"]);
    });

    it("with as many partitions as it had, whatever the file says later", async () => {
      await beginning();
      expect(await beginning({ file: { ...FILE, kafka: { partitions: 9 } } })).toBe(3);
      expect(await column("SELECT count(*) FROM rehouse.lane")).toEqual(["4"]);
    });

    it("not with another file, and not while it is being cancelled", async () => {
      await beginning();
      await expect(beginning({ file: { ...FILE, digest: "d2" } })).rejects.toMatchObject({ code: "REHOUSE_MIGRATION_CHANGED" });
      await target.query("UPDATE rehouse.migration SET state = 'cancelling'");
      await expect(beginning()).rejects.toMatchObject({ code: "REHOUSE_MIGRATION_CHANGED" });
    });
  });

  describe("knows its units", () => {
    it("each once, in the partition where capture puts their changes", async () => {
      await beginning();
      const odd = "a,\"b\\{}'; --";
      expect(await registerUnits(target, mapping("tenant", "shared"), ["1", odd], 3)).toEqual(["(shared)", "1", odd]);
      expect(await registerUnits(target, mapping("tenant", "shared"), ["1", odd, "NULL"], 3)).toEqual(["NULL"]);
      const units = await target.query("SELECT tenant, kind, partition, phase FROM rehouse.tenant ORDER BY kind, tenant");
      expect(units.map(({ tenant, kind, phase }) => [tenant, kind, phase])).toEqual([
        ["(shared)", "shared", "planned"],
        ["1", "tenant", "planned"],
        ["NULL", "tenant", "planned"],
        [odd, "tenant", "planned"],
      ]);
      expect(units[0]?.["partition"]).toBe("3");
      expect(await column("SELECT tenant FROM rehouse.journal WHERE event = 'planned'")).toEqual(["(shared)", "1", odd, "NULL"]);
    });

    it("as one where there are no tenants", async () => {
      await beginning({ mapping: mapping("whole") });
      expect(await registerUnits(target, mapping("whole"), [], 1)).toEqual(["*"]);
    });
  });

  describe("is shown", () => {
    beforeEach(async () => {
      await beginning();
      await registerUnits(target, mapping("tenant", "shared"), ["10", "9", "x"], 3);
    });

    it("not for a migration that the target does not know", async () => {
      await expect(readStatus({ migration: "other", slot: "s", source, target, throttle })).rejects.toMatchObject({
        code: "REHOUSE_NO_MIGRATION",
      });
    });

    it("with shared tables first and tenants in the order of people", async () => {
      const { tenants, state, capture, apply } = await status();
      expect(tenants.map(({ tenant }) => tenant)).toEqual(["(shared)", "9", "10", "x"]);
      expect({ state, capture, lag: apply.lagMs }).toEqual({
        state: "stopped",
        capture: { position: null, lagBytes: null, lagMs: null, slot: null },
        lag: null,
      });
    });

    it("with what a tenant stopped at, and where its lane stands", async () => {
      await target.query(
        `UPDATE rehouse.tenant SET stopped = '{"code": "REHOUSE_CHANGE_REFUSED", "what": "no", "fix": "mend it", "position": "0/1:2"}' WHERE tenant = '9'`,
      );
      await target.query(
        "UPDATE rehouse.tenant SET lane = 'main', changes = 5, rows_copied = 7, rows_estimated = 3 WHERE tenant = '10'",
      );
      await target.query("UPDATE rehouse.lane SET lsn = '0/ABC', ordinal = 4, changes = 5");
      const { tenants } = await status();
      expect(tenants.find(({ tenant }) => tenant === "9")?.stopped).toEqual({
        code: "REHOUSE_CHANGE_REFUSED",
        what: "no",
        fix: "mend it",
        position: "0/1:2",
      });
      expect(tenants.find(({ tenant }) => tenant === "10")).toMatchObject({
        rows: { copied: 7, estimated: 7 },
        applied: { position: "0/ABC:4", lagMs: null, changes: 5 },
      });
    });

    it("as running while a process tells of itself, and with what it waits out", async () => {
      await target.query(
        'INSERT INTO rehouse.process (migration, host, pid, role, error) VALUES (\'m\', \'h\', 1, \'apply\', \'{"code": "REHOUSE_UNREACHABLE", "what": "away", "since": "2026-01-01T00:00:00.000Z", "attempts": 3}\')',
      );
      expect(await status()).toMatchObject({
        state: "running",
        stopped: null,
        waits: [{ role: "apply", code: "REHOUSE_UNREACHABLE", what: "away", since: "2026-01-01T00:00:00.000Z", attempts: 3 }],
      });
      await target.query("UPDATE rehouse.process SET beat_at = now() - interval '1 minute', error = NULL");
      expect(await status()).toMatchObject({ state: "stopped", stopped: null, waits: [] });
      await target.query(`UPDATE rehouse.process SET error = '{"code": "REHOUSE_SLOT_LOST", "what": "gone"}'`);
      expect(await status()).toMatchObject({ state: "stopped", stopped: { code: "REHOUSE_SLOT_LOST", what: "gone" }, waits: [] });
      await target.query("UPDATE rehouse.migration SET state = 'paused'");
      expect((await status()).state).toBe("paused");
    });

    it("with the age of the newest change where nothing comes any more", async () => {
      await target.query("UPDATE rehouse.tenant SET lane = 'main' WHERE tenant = '9'");
      await target.query(
        "UPDATE rehouse.lane SET committed_ms = (extract(epoch FROM now()) * 1000)::bigint - 60000, applied_at = now() - interval '50 seconds'",
      );
      const lag = (await status()).apply.lagMs ?? 0;
      expect(lag).toBeGreaterThanOrEqual(60_000);
      expect(lag).toBeLessThan(80_000);
    });

    it("also while the source is away", async () => {
      const gone = createDatabase({ url: "postgres://nobody@127.0.0.1:1/none", connectTimeoutMs: 500 });
      expect((await readStatus({ migration: "m", slot: "s", source: gone, target, throttle })).tenants).toHaveLength(4);
    });
  });
});
