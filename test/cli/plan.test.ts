import { describe, expect, it } from "vitest";
import type { PlanDocument } from "../../src/cli/documents.ts";
import { stepsOf } from "../../src/plan/steps.ts";
import { plan, rehouse } from "./support.ts";

const MEASURED: NonNullable<PlanDocument["measured"]> = {
  at: "2026-01-01T00:00:00Z",
  outcome: "passed",
  copied: { rows: 1000, bytes: 9 },
  whole: { rows: 10_000, bytes: 90 },
  isSameMapping: true,
  moveMs: 62_000,
  verifyMs: 9000,
  fenceMs: { p50: 30, max: 80 },
};
const ROLLBACK = { possible: true as const, soakMs: 72 * 3_600_000, when: [], action: "alert" as const };

const planned = (more: Partial<PlanDocument>, ...args: string[]) =>
  rehouse(["plan", "-f", "FILE", ...args], { engine: { plan: async () => plan(more) } });

describe("plan", () => {
  it("says that no time is known where none was measured", async () => {
    const { out, exit } = await planned({});
    expect(exit).toBe(0);
    expect(out).toContain("2 tenants: 42, 43");
    expect(out).toContain("public.users → tenant_42.users  9 rows, 8.0 kB");
    expect(out).toContain("time: not measured.");
  });

  it("says what a rehearsal has measured, and whether that still holds", async () => {
    const { out } = await planned({ measured: { ...MEASURED, isSameMapping: false } });
    expect(out).toContain(
      "copy and catch-up about 1m 02s, a comparison 9.0 s; a switch holds its writers for about 30 ms, 80 ms at most",
    );
    expect(out).toContain("on 1.0k of 10k rows");
    expect(out).toContain("the mapping has changed since");
  });

  it("prints statements alone with --ddl, as psql takes them", async () => {
    expect((await planned({}, "--ddl")).out).toBe(
      '-- Of tenant 42, the first of 2: each has the same.\nCREATE TABLE "tenant_42"."users" (id int);\n',
    );
    expect((await planned({ ddl: [] }, "--ddl")).out).toBe("-- Nothing is missing at the target.\n");
  });

  it("has the same as a document", async () => {
    expect(JSON.parse((await planned({}, "--json")).out)).toEqual(plan());
  });

  it("names the steps in their order, with the command of each that a person takes, and no way back where the file has none", () => {
    const steps = stepsOf({ ...plan(), measured: MEASURED }, ROLLBACK);
    expect(steps.map(({ step }) => step)).toEqual([
      ...["streams", "expand", "copy", "finish", "catch up", "compare", "cutover", "soak", "contract"],
    ]);
    expect(steps.flatMap(({ command }) => command ?? [])).toEqual([
      "rehouse run",
      "rehouse verify",
      "rehouse cutover --tenant 42",
      "rehouse rollback --tenant 42",
      "rehouse contract --tenant 42",
    ]);
    expect(steps.find(({ step }) => step === "cutover")).toMatchObject({ ms: 30, what: expect.stringContaining("about 30 ms") });
    const forGood = stepsOf(plan(), { possible: false });
    expect(forGood.find(({ step }) => step === "soak")).toMatchObject({ command: null, ms: null });
    expect(forGood.find(({ step }) => step === "cutover")?.what).toContain("how long is not measured");
  });
});

describe("topics", () => {
  it("says what is there, and how to subscribe", async () => {
    const { out, exit } = await rehouse(["topics", "-f", "FILE"]);
    expect(exit).toBe(0);
    expect(out).toContain("rehouse.move-enterprise.changes  1 partition, 7 offsets");
    expect(out).toContain("offsets 0: 2–9");
    expect(out).toContain("schema 7  rehouse.move-enterprise.changes-x.Envelope version 1");
    expect(out).toContain("kcat -b localhost:9092");
  });
});
