/** What takes its time: begun, followed, refused, cancelled, and written down. */

import { describe, expect, it } from "vitest";
import type { Engine } from "../../src/cli/engine.ts";
import { RehouseError } from "../../src/errors.ts";
import { waitUntil } from "../support/index.ts";
import { type Api, api, bearer, MIGRATION } from "./support.ts";

const verified: Awaited<ReturnType<Engine["verify"]>> = { formatVersion: 1, equal: true, tenants: [] };
const switched = { formatVersion: 1, migration: MIGRATION, tenants: [], warnings: [] } satisfies Awaited<
  ReturnType<Engine["cutover"]>
>;

/** Ends when its signal aborts. */
const endless = (signal: AbortSignal) =>
  new Promise<never>((_resolve, reject) => signal.addEventListener("abort", () => reject(new Error("stopped"))));

type Operation = { id: string; state: string; ok: boolean | null; error: { code: string } | null; progress: unknown };

async function begun(api: Api, path: string, body: unknown, by = "otto"): Promise<Operation> {
  const { status, headers, body: operation } = await api.post(by, `/api/v1/${path}`, body);
  expect(status, JSON.stringify(operation)).toBe(202);
  expect(headers["location"]).toBe(`/api/v1/operations/${(operation as Operation).id}`);
  return operation;
}

const look = async (api: Api, { id }: Operation): Promise<Operation> =>
  (await api.get(`/api/v1/operations/${id}`, bearer("vera"))).body;

const ended = (api: Api, operation: Operation) =>
  waitUntil(
    async () => {
      const now = await look(api, operation);
      return ["done", "failed", "cancelled"].includes(now.state) && now;
    },
    { deadlineMs: 5_000, what: "the operation to end", everyMs: 5 },
  );

describe("an operation", () => {
  it("is followed to its result, and the audit has how it ended", async () => {
    let finish = () => {};
    const verify: Engine["verify"] = async ({ onProgress }) => {
      onProgress({ tenant: "42", table: "public.orders", rowsCompared: 7, rowsEstimated: 9 });
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      return { ...verified, equal: false };
    };
    await using it = api({ verify });
    const operation = await begun(it, "verify", { tenants: ["42"] });
    expect(await look(it, operation)).toMatchObject({
      state: "running",
      progress: { unit: "rows", done: 7, total: 9, now: "42 public.orders" },
    });
    expect(it.audit).toMatchObject([
      { action: "verify", tenants: ["42"], name: "otto", outcome: "begun", operation: operation.id },
    ]);
    finish();
    expect(await ended(it, operation)).toMatchObject({ state: "done", ok: false, result: { equal: false } });
    expect(it.audit[0]?.outcome).toBe("refused");
    const list = (await it.get("/api/v1/operations", bearer("vera"))).body as { operations: object[] };
    expect(list.operations).toMatchObject([{ id: operation.id }]);
    expect(list.operations[0]).not.toHaveProperty("result");
  });

  it("that fails says why, as every error does", async () => {
    const failure = new RehouseError("REHOUSE_NOT_DRAINED", { what: "Not drained.", fix: "Wait." });
    await using it = api({ cutover: async () => Promise.reject(failure) });
    const operation = await begun(it, "cutover", { tenants: ["42"], confirm: ["42"] });
    expect(await ended(it, operation)).toMatchObject({ state: "failed", error: { code: "REHOUSE_NOT_DRAINED", fix: "Wait." } });
    expect(it.audit).toMatchObject([{ outcome: "failed", code: "REHOUSE_NOT_DRAINED" }]);
  });

  it("keeps others from its tenants, and nobody else from theirs; looking keeps nobody from acting", async () => {
    const cutover: Engine["cutover"] = ({ dryRun }, signal) => (dryRun ? Promise.resolve(switched) : endless(signal));
    await using it = api({ cutover, verify: (_options, signal) => endless(signal) });
    const first = await begun(it, "cutover", { tenants: ["42"], confirm: ["42"] });
    const refused = await it.post("ada", "/api/v1/rollback", { tenants: ["43", "42"], confirm: ["42", "43"] });
    expect(refused).toMatchObject({
      status: 409,
      body: { code: "REHOUSE_OPERATION_UNDER_WAY", operation: first.id, what: expect.stringContaining("cutover of tenant 42") },
    });
    expect(await it.post("otto", "/api/v1/retry", { tenants: ["42"] })).toMatchObject({ status: 409 });
    expect(await it.post("ada", "/api/v1/cancel", { confirm: [MIGRATION] })).toMatchObject({ status: 409 });
    await begun(it, "cutover", { tenants: ["43"], confirm: ["43"] });
    await begun(it, "verify", {});
    expect(await it.post("otto", "/api/v1/verify", { tenants: ["43"] })).toMatchObject({ status: 409 });
    expect(await it.post("otto", "/api/v1/pause")).toMatchObject({ status: 200 });
  });

  it("that is cancelled ends when the engine has, and frees its tenants", async () => {
    await using it = api({ verify: (_options, signal) => endless(signal) });
    const operation = await begun(it, "verify", { tenants: ["42"] });
    const cancel = `/api/v1/operations/${operation.id}/cancel`;
    expect(await it.post("vera", cancel)).toMatchObject({ status: 403 });
    expect(await it.post("otto", cancel)).toMatchObject({ status: 200, body: { state: "cancelling" } });
    expect(await ended(it, operation)).toMatchObject({ state: "cancelled", ok: null });
    expect(it.audit.map(({ action, outcome }) => [action, outcome])).toEqual([
      ["verify", "cancelled"],
      ["/api/v1/operations/:id/cancel", "denied"],
      ["operation cancel", "done"],
    ]);
    await begun(it, "verify", { tenants: ["42"] });
    expect(await it.post("otto", "/api/v1/operations/nope/cancel")).toMatchObject({ status: 404 });
  });

  it("is not begun when it cannot be written down", async () => {
    const engine = api();
    await using it = engine;
    it.audit.push = () => {
      throw new RehouseError("REHOUSE_UNREACHABLE", { what: "The target is away." });
    };
    expect(await it.post("otto", "/api/v1/pause")).toMatchObject({ status: 503 });
    expect(it.calls).toEqual([]);
  });

  it("ends with the server", async () => {
    const it = api({ verify: (_options, signal) => endless(signal) });
    await begun(it, "verify", {});
    await it.server.close();
    expect(it.audit).toMatchObject([{ outcome: "cancelled" }]);
  });
});

describe("what cannot be undone", () => {
  it.each([
    ["cutover", { tenants: ["42"] }],
    ["cutover", { tenants: ["42"], confirm: ["43"] }],
    ["cutover", { tenants: ["42", "43"], confirm: ["42"] }],
    ["cutover", { all: true, confirm: ["42", "43"] }],
    ["rollback", { tenants: ["42"] }],
    ["contract", { tenants: ["42"], confirm: ["42", "43"] }],
    ["cancel", { confirm: ["yes"] }],
  ])("%s %j asks for the names again", async (path, body) => {
    await using it = api();
    const refused = await it.post("ada", `/api/v1/${path}`, body);
    expect(refused).toMatchObject({
      status: 422,
      body: { code: "REHOUSE_NOT_CONFIRMED", fix: expect.stringContaining('"confirm"') },
    });
    expect(it.calls).toEqual([]);
  });

  it("is done with them, and a dry run needs none", async () => {
    await using it = api();
    await ended(it, await begun(it, "cutover", { tenants: ["42"], dryRun: true }));
    await ended(it, await begun(it, "cutover", { all: true, confirm: [MIGRATION], parallel: 4 }));
    await ended(it, await begun(it, "rollback", { tenants: ["42"], confirm: ["42"], keep: true }));
    await ended(it, await begun(it, "contract", { tenants: ["42"], confirm: ["42"] }, "ada"));
    await ended(it, await begun(it, "cancel", { confirm: [MIGRATION] }, "ada"));
    expect(it.calls).toMatchObject([
      { method: "cutover", options: { tenants: ["42"], dryRun: true } },
      { method: "cutover", options: { tenants: undefined, dryRun: false, parallel: 4 } },
      { method: "rollback", options: { tenants: ["42"], keep: true } },
      { method: "contract", options: { tenants: ["42"], archive: undefined, now: false } },
      { method: "cancel" },
    ]);
    expect(it.audit.map(({ outcome }) => outcome)).toEqual(["done", "done", "done", "done", "done"]);
    expect(it.audit[0]?.request).toMatchObject({ dryRun: true });
  });

  it("goes into no directory that a request names", async () => {
    await using without = api();
    const contract = { tenants: ["42"], confirm: ["42"], archive: true };
    expect(await without.post("ada", "/api/v1/contract", contract)).toMatchObject({ status: 400 });
    expect(await without.post("ada", "/api/v1/contract", { ...contract, archive: "/etc" })).toMatchObject({ status: 400 });
    await using it = api({}, { archive: "/var/rehouse" });
    await ended(it, await begun(it, "contract", contract, "ada"));
    expect(it.calls).toMatchObject([{ method: "contract", options: { archive: "/var/rehouse" } }]);
  });
});
