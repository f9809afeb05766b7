import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RehouseError } from "../../src/errors.ts";
import { waitUntil } from "../support/index.ts";
import { Soak } from "./support.ts";

const tripped = (count: number) => (status: { tripped: readonly unknown[] }) => status.tripped.length === count;

describe("a tenant that soaks", () => {
  let soak: Soak;
  beforeEach(async () => {
    soak = await Soak.prepare();
  });
  afterEach(() => soak[Symbol.asyncDispose]());

  it("is said to soak until when, and nothing more while nothing is wrong", async () => {
    await soak.switched("42");
    await soak.watching({ when: [{ kind: "differences" }, { kind: "apply-stopped" }] }, async () => {
      await waitUntil(async () => (await soak.target.query("SELECT FROM rehouse.soak_check")).length === 2, {
        deadlineMs: 20_000,
        what: "both criteria to be asked",
      });
    });
    const { until, ...rest } = (await soak.status("42")) ?? {};
    expect(Date.parse(until ?? "") - Date.now()).toBeGreaterThan(3_500_000);
    expect(rest).toEqual({ tripped: [], problems: [] });
    expect(await soak.journal("42")).toEqual([]);
  });

  it("trips on differences, a stop and lag of the way home, with values, and recovers", async () => {
    await soak.switched("42");
    await soak.switched("43");
    await soak.differ("42");
    await soak.stop("42", "REHOUSE_CHANGE_REFUSED");
    await soak.watching(
      { when: [{ kind: "differences" }, { kind: "apply-stopped" }, { kind: "lag", overMs: 600_000 }] },
      async () => {
        const both = await soak.until("42", "two criteria to trip", tripped(2));
        expect(both.tripped.map(({ criterion, value }) => [criterion, value]).sort()).toEqual([
          ["apply-stopped", "REHOUSE_CHANGE_REFUSED: a row is in the way"],
          ["differences", "1 row differs"],
        ]);
        await soak.carried(700_000);
        await soak.until("43", "the lag to trip", ({ tripped }) => tripped[0]?.criterion === "lag over 600 s");
        await soak.carried(0);
        await soak.stop("42", null);
        await soak.source.query("UPDATE rehouse.difference SET gone_at = now()");
        for (const tenant of ["42", "43"]) await soak.until(tenant, "the criteria to hold no longer", tripped(0));
      },
    );
    expect((await soak.journal("42")).filter((line) => !line.includes("behind")).sort()).toEqual([
      "soak-recovered: 0 rows differ",
      "soak-recovered: nothing is stopped",
      "soak-tripped: 1 row differs",
      "soak-tripped: REHOUSE_CHANGE_REFUSED: a row is in the way",
    ]);
  });

  it("trips when a query on its side is true, which sees the tenant and its schema and may write nothing", async () => {
    await soak.switched("42", "tenant_42");
    await soak.target.query("CREATE SCHEMA tenant_42");
    await soak.target.query("CREATE TABLE tenant_42.failed AS SELECT 3 AS jobs");
    await soak.source.query("CREATE TABLE public.failed AS SELECT 42 AS tenant_id");
    const when = [
      { kind: "query", on: "target", sql: "SELECT jobs > 2 FROM failed" },
      { kind: "query", on: "source", sql: "SELECT count(*) > 0 FROM failed WHERE tenant_id = $1" },
      { kind: "query", on: "source", sql: "SELECT count(*) > 1 FROM failed" },
      { kind: "query", on: "source", sql: "SELECT true FROM failed WHERE tenant_id = 0" },
      { kind: "query", on: "target", sql: "SELECT true FROM nothing" },
      { kind: "query", on: "target", sql: "DELETE FROM tenant_42.failed RETURNING true" },
    ] as const;
    await soak.watching({ when }, async () => {
      const status = await soak.asked("42", when.length);
      expect(status?.tripped.map(({ criterion, value }) => [criterion, value])).toEqual([
        ["query on target: SELECT jobs > 2 FROM failed", "true"],
        ["query on source: SELECT count(*) > 0 FROM failed WHERE tenant_id = $1", "true"],
      ]);
      expect(status?.problems.map(({ problem }) => problem).sort()).toEqual([
        "cannot execute DELETE in a read-only transaction",
        'relation "nothing" does not exist',
      ]);
    });
    expect(await soak.target.query("SELECT jobs FROM tenant_42.failed")).toEqual([{ jobs: "3" }]);
  });

  it("is led back once when the file says so, and status keeps saying why", async () => {
    await soak.switched("42");
    await soak.switched("43");
    await soak.differ("42");
    const back: string[] = [];
    const goBack = async (tenant: string) => {
      back.push(tenant);
      await soak.wentBack(tenant);
    };
    await soak.watching({ when: [{ kind: "differences" }], goBack }, async () => {
      await soak.until("42", "the tenant to go back", ({ until }) => until === null);
      // Another one trips later: by then the first would have gone back twice, if it did.
      await soak.differ("43");
      await soak.until("43", "the other to go back", ({ until }) => until === null);
    });
    expect(back).toEqual(["42", "43"]);
    expect(await soak.journal("42")).toEqual(["soak-tripped: 1 row differs", "soak-rollback"]);
    expect((await soak.status("42"))?.tripped).toMatchObject([{ criterion: "differences", value: "1 row differs" }]);
    await soak.source.query("UPDATE rehouse.difference SET gone_at = now()");
    await soak.switched("42");
    expect(await soak.status("42")).toMatchObject({ until: expect.any(String), tripped: [] });
  });

  it("stays where it is when the rollback fails, and that is on record", async () => {
    await soak.switched("42");
    await soak.differ("42");
    const goBack = () => Promise.reject(new RehouseError("REHOUSE_NOT_RUNNING", { what: "no apply runs" }));
    await soak.watching({ when: [{ kind: "differences" }], goBack }, async () => {
      await waitUntil(async () => (await soak.journal("42")).includes("soak-rollback-failed"), {
        deadlineMs: 20_000,
        what: "the failure to be journalled",
      });
    });
    expect((await soak.journal("42")).filter((line) => line === "soak-rollback-failed")).toHaveLength(1);
    expect(await soak.status("42")).toMatchObject({ until: expect.any(String), tripped: [{ criterion: "differences" }] });
  });

  describe("with an HTTP check", () => {
    let server: Server;
    let url: string;
    let answer: number;
    let asked: string[];
    beforeEach(async () => {
      answer = 500;
      asked = [];
      server = createServer((request, response) => {
        asked.push(request.url ?? "");
        response.writeHead(answer).end();
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    afterEach(() => {
      server.closeAllConnections();
      server.close();
    });

    it("trips after so many failures in a row, and not before, also when another process goes on", async () => {
      await soak.switched("a/42");
      const when = [{ kind: "http", url: `${url}/health/{tenant}`, fails: 3, everyMs: 100 }] as const;
      const failures = async () =>
        Number((await soak.target.query("SELECT failures FROM rehouse.soak_check"))[0]?.["failures"] ?? 0);
      const failed = (times: number) =>
        waitUntil(async () => (await failures()) >= times, { deadlineMs: 20_000, what: `${times} failures` });
      await soak.watching({ when }, async () => void (await failed(2)));
      if ((await failures()) < 3) expect((await soak.status("a/42"))?.tripped).toEqual([]);
      await soak.watching({ when }, async () => {
        const status = await soak.until("a/42", "the check to trip", tripped(1));
        expect(status.tripped).toMatchObject([{ value: expect.stringMatching(/^answered with 500, \d times in a row$/) }]);
        expect(asked.length).toBeGreaterThanOrEqual(3);
        answer = 200;
        await soak.until("a/42", "the check to recover", tripped(0));
      });
      expect(new Set(asked)).toEqual(new Set(["/health/a%2F42"]));
      expect(await soak.journal("a/42")).toEqual([
        "soak-tripped: answered with 500, 3 times in a row",
        "soak-recovered: answers",
      ]);
    });

    it("asks once for all tenants where the URL is the same for all", async () => {
      answer = 200;
      for (const tenant of ["1", "2", "3"]) await soak.switched(tenant);
      const when = [{ kind: "http", url: `${url}/health`, fails: 1, everyMs: 60_000 }] as const;
      await soak.watching({ when }, async () => {
        await waitUntil(async () => (await soak.target.query("SELECT FROM rehouse.soak_check")).length === 3, {
          deadlineMs: 20_000,
          what: "all to be asked",
        });
      });
      expect(asked).toEqual(["/health"]);
    });
  });
});
