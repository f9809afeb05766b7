/** What a request has to be before anything is done for it. */

import { describe, expect, it } from "vitest";
import { RehouseError } from "../../src/errors.ts";
import { status, tenant } from "../cli/support.ts";
import { api, bearer } from "./support.ts";

describe("who asks", () => {
  it("needs no token on loopback for how the move gets on, and one for rows, keys and who did what", async () => {
    await using it = api();
    for (const path of ["status", "summary", "tenants", "whoami"])
      expect((await it.get(`/api/v1/${path}`)).status, path).toBe(200);
    for (const path of ["tenants/42", "journal", "differences", "operations", "doctor", "audit"]) {
      const refused = await it.get(`/api/v1/${path}`);
      expect(refused, path).toMatchObject({ status: 401, body: { code: "REHOUSE_UNAUTHENTICATED" } });
      expect(refused.headers).toMatchObject({
        "content-type": "application/problem+json; charset=utf-8",
        "www-authenticate": 'Bearer realm="rehouse"',
      });
    }
    expect((await it.get("/api/v1/differences", bearer("vera"))).status).toBe(200);
  });

  it("needs a token everywhere else, and behind a proxy", async () => {
    await using elsewhere = api({}, { onLoopback: false });
    expect((await elsewhere.get("/api/v1/status", { host: "db7.example" })).status).toBe(401);
    expect((await elsewhere.get("/livez", { host: "10.0.0.7:7070" })).status).toBe(200);
    await using proxied = api();
    expect((await proxied.get("/api/v1/status", { "x-forwarded-for": "203.0.113.9" })).status).toBe(401);
  });

  it("is told so when the token is wrong, also where none is needed", async () => {
    await using it = api();
    for (const authorization of ["Bearer nobody", "Bearer ", "Basic dmVyYTo=", "vera"])
      expect(await it.get("/api/v1/status", { authorization }), authorization).toMatchObject({ status: 401 });
  });

  it("may do what the role allows, and whoever tries more is in the audit", async () => {
    await using it = api();
    expect(await it.post("vera", "/api/v1/pause")).toMatchObject({
      status: 403,
      body: { what: expect.stringContaining("operator") },
    });
    expect(await it.post("otto", "/api/v1/cancel", { confirm: ["move-enterprise"] })).toMatchObject({ status: 403 });
    expect(await it.get("/api/v1/audit", bearer("otto"))).toMatchObject({ status: 403 });
    expect(await it.post(undefined, "/api/v1/pause")).toMatchObject({ status: 401 });
    expect(it.calls).toEqual([]);
    expect(it.audit.map(({ name, action, outcome }) => [name, action, outcome])).toEqual([
      ["vera", "/api/v1/pause", "denied"],
      ["otto", "/api/v1/cancel", "denied"],
    ]);
    expect(await it.post("otto", "/api/v1/pause")).toMatchObject({ status: 200, body: { did: ["Paused."] } });
    expect(it.audit.at(-1)).toMatchObject({
      name: "otto",
      role: "operator",
      address: "127.0.0.1",
      action: "pause",
      outcome: "done",
    });
  });
});

describe("a page of another site", () => {
  it.each([
    ["a name of its own that leads here", { host: "evil.example" }],
    ["a name that begins like ours", { host: "127.0.0.1.evil.example:7070" }],
    ["its Origin", { origin: "https://evil.example" }],
    ["a sandbox's Origin", { origin: "null" }],
    ["another port", { origin: "http://127.0.0.1:9999" }],
    ["what the browser says", { "sec-fetch-site": "cross-site" }],
  ])("is refused: %s", async (_how, headers) => {
    await using it = api();
    expect(await it.get("/api/v1/status", headers)).toMatchObject({ status: 403, body: { code: "REHOUSE_FORBIDDEN" } });
    expect(await it.post("otto", "/api/v1/pause", {}, headers)).toMatchObject({ status: 403 });
    expect(it.calls).toEqual([]);
  });

  it("is told apart from our own", async () => {
    await using it = api();
    const own = { host: "localhost:7070", origin: "http://localhost:7070", "sec-fetch-site": "same-origin" };
    expect((await it.get("/api/v1/status", own)).status).toBe(200);
    expect((await it.get("/api/v1/status", { host: "[::1]:7070" })).status).toBe(200);
  });

  it("cannot send what a form can", async () => {
    await using it = api();
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
      expect(await it.post("otto", "/api/v1/pause", "{}", { "content-type": type }), type).toMatchObject({ status: 415 });
    expect(it.calls).toEqual([]);
  });
});

describe("a request", () => {
  it("that is wrong hears all that is wrong about it", async () => {
    await using it = api();
    const wrong = await it.post("otto", "/api/v1/cutover", { tenants: [], parallel: 0, dryRun: "no", force: true });
    expect(wrong).toMatchObject({ status: 400, body: { code: "REHOUSE_USAGE", fix: expect.stringContaining("openapi.json") } });
    const { issues } = wrong.body as { issues: { path: string }[] };
    expect(issues.map(({ path }) => path).sort()).toEqual(["body", "body.dryRun", "body.parallel", "body.tenants"]);
    expect((await it.get("/api/v1/tenants?limit=0")).status).toBe(400);
    expect((await it.get("/api/v1/tenants?nope=1")).status).toBe(400);
    expect((await it.get("/api/v1/status?nope=1")).status).toBe(400);
    expect((await it.post("otto", "/api/v1/pause", "{")).status).toBe(400);
    expect((await it.post("otto", "/api/v1/pause", "")).status).toBe(400);
    expect((await it.post("otto", "/api/v1/pause", '{"__proto__": {"role": "admin"}}')).status).toBe(400);
    expect(it.calls).toEqual([]);
  });

  it("for nothing that is there is answered as a problem, too", async () => {
    await using it = api();
    for (const path of ["/nowhere", "/api/v1/nope", "/api/v2/status", "/api/v1/tenants/%E0%A4%A"]) {
      const { status, headers, body } = await it.get(path);
      expect([400, 404], path).toContain(status);
      expect(body, path).toMatchObject({ status, code: expect.stringMatching(/^REHOUSE_/) });
      expect(headers["content-security-policy"], path).toContain("default-src 'none'");
    }
  });

  it("that is too long, or one too many, is refused", async () => {
    await using it = api();
    expect(await it.post("otto", "/api/v1/pause", `"${"x".repeat(1_100_000)}"`)).toMatchObject({ status: 413 });
    const answers = await Promise.all(Array.from({ length: 250 }, () => it.get("/livez")));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(30);
    expect(refused[0]).toMatchObject({ headers: { "retry-after": "1" }, body: { code: "REHOUSE_TOO_MANY" } });
  });

  it.each(['"; DROP TABLE x; --', "a/b", "ä ö%2f", "<script>alert(1)</script>", "$(reboot)", "line\nbreak", "🦄"])(
    "may name a tenant %j",
    async (name) => {
      await using it = api({ status: async () => status({ tenants: [tenant(name, "in-sync")] }) });
      const one = await it.get(`/api/v1/tenants/${encodeURIComponent(name)}`, bearer("vera"));
      expect(one).toMatchObject({ status: 200, body: { status: { tenant: name } } });
      expect(one.headers).toMatchObject({ "x-content-type-options": "nosniff", "cache-control": "no-store" });
      expect((await it.get(`/api/v1/tenants?tenant=${encodeURIComponent(name)}`)).body).toMatchObject({ total: 1 });
      expect(await it.post("otto", "/api/v1/retry", { tenants: [name] })).toMatchObject({ status: 200 });
      expect(it.calls.at(-1)).toEqual({ method: "retry", options: { tenants: [name], by: "otto (API)" } });
      expect(await it.post("otto", "/api/v1/retry", { tenants: [`${name}\0`] })).toMatchObject({ status: 400 });
    },
  );
});

describe("an error", () => {
  const failing = (error: unknown) => api({ status: async () => Promise.reject(error) });

  it.each([
    ["REHOUSE_NO_MIGRATION", 404],
    ["REHOUSE_UNREACHABLE", 503],
    ["REHOUSE_SERVER", 502],
    ["REHOUSE_SLOT_LOST", 409],
    ["REHOUSE_INTERNAL", 500],
  ] as const)("%s is %i", async (code, expected) => {
    await using it = failing(new RehouseError(code, { what: "What.", where: "source:5432/app", fix: "Fix." }));
    const { status, headers, body } = await it.get("/api/v1/status");
    expect({ status, body }).toMatchObject({
      status: expected,
      body: { code, what: "What.", where: "source:5432/app", fix: "Fix." },
    });
    expect(headers["retry-after"]).toBe(expected === 503 ? "5" : undefined);
  });

  it("shows no secret and no stack", async () => {
    await using it = failing(new TypeError("x is undefined at postgres://u:hunter2@h/db"));
    const text = JSON.stringify((await it.get("/api/v1/status")).body);
    expect(text).toContain("REHOUSE_INTERNAL");
    expect(text).not.toContain("hunter2");
    expect(text).not.toContain("    at ");
  });
});

describe("liveness and readiness", () => {
  it("are apart: a process is alive while a database or a role is not", async () => {
    const history = { journal: async () => [], differences: async () => [], tenant: async () => Promise.reject() };
    const roles = { capture: true, apply: false };
    await using it = api({ history: { ...history, readiness: async () => ({ source: true, target: true, roles }) } });
    expect(await it.get("/livez")).toMatchObject({ status: 200, body: { alive: true } });
    expect(await it.get("/readyz")).toMatchObject({ status: 503, body: { ready: false, source: true, roles } });
    await using well = api();
    expect(await well.get("/readyz")).toMatchObject({ status: 200, body: { ready: true } });
  });
});
