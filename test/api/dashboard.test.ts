/** The dashboard's files, as the server gives them. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { api } from "./support.ts";

const HOST = { host: "127.0.0.1:7070" };
let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "rehouse-dashboard-"));
  mkdirSync(join(directory, "assets"));
  writeFileSync(join(directory, "index.html"), "<!doctype html>");
  writeFileSync(join(directory, "assets", "index-Ab12.js"), "start()");
  writeFileSync(join(directory, "notes.txt"), "not for the browser");
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe("the dashboard's files", () => {
  it("need no token, also where the API does", async () => {
    await using it = api({}, { dashboard: directory, onLoopback: false });
    const page = await it.server.app.inject({ url: "/", headers: { host: "db7.example" } });
    expect(page).toMatchObject({ statusCode: 200, body: "<!doctype html>" });
    expect(page.headers).toMatchObject({ "content-type": "text/html; charset=utf-8", "cache-control": "no-store" });
    expect((await it.get("/api/v1/summary", { host: "db7.example" })).status).toBe(401);
  });

  it("may load and ask nothing from elsewhere, and run nothing that stands in the page", async () => {
    await using it = api({}, { dashboard: directory });
    const { headers } = await it.server.app.inject({ url: "/", headers: HOST });
    const policy = String(headers["content-security-policy"]);
    expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'");
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    expect(headers).toMatchObject({ "x-content-type-options": "nosniff", "x-frame-options": "DENY" });
    expect((await it.get("/api/v1/summary")).headers["content-security-policy"]).not.toContain("script-src");
  });

  it("are kept for ever where their name has a hash of what they hold", async () => {
    await using it = api({}, { dashboard: directory });
    const script = await it.server.app.inject({ url: "/assets/index-Ab12.js", headers: HOST });
    expect(script).toMatchObject({ statusCode: 200, body: "start()" });
    expect(script.headers).toMatchObject({
      "content-type": "text/javascript; charset=utf-8",
      "cache-control": "public, max-age=31536000, immutable",
    });
  });

  it.each([
    "/notes.txt",
    "/index.html",
    "/assets/",
    "/assets/../notes.txt",
    "/assets/%2e%2e/%2e%2e/package.json",
    "/..%2fpackage.json",
  ])("are those and no others: %s", async (url) => {
    await using it = api({}, { dashboard: directory });
    const { statusCode, headers } = await it.server.app.inject({ url, headers: HOST });
    expect([statusCode, headers["content-type"]]).toEqual([404, "application/problem+json; charset=utf-8"]);
  });

  it("can be read and not be changed, and not by a page of another site", async () => {
    await using it = api({}, { dashboard: directory });
    const ask = async (method: "GET" | "POST" | "PUT", headers: Record<string, string>) =>
      (await it.server.app.inject({ method, url: "/", headers })).statusCode;
    expect(await ask("POST", HOST)).toBe(404);
    expect(await ask("PUT", HOST)).toBe(404);
    expect(await ask("GET", { host: "evil.example" })).toBe(403);
    expect(await ask("GET", { ...HOST, "sec-fetch-site": "cross-site" })).toBe(403);
  });

  it("count among what an address may ask for", async () => {
    await using it = api({}, { dashboard: directory });
    const codes = await Promise.all(
      Array.from({ length: 260 }, async () => (await it.server.app.inject({ url: "/", headers: HOST })).statusCode),
    );
    expect(new Set(codes)).toEqual(new Set([200, 429]));
  });

  it("are said to be missing where nobody has built them", async () => {
    await using it = api({}, { dashboard: join(directory, "nowhere") });
    const { statusCode, body, headers } = await it.server.app.inject({ url: "/", headers: HOST });
    expect(statusCode).toBe(404);
    expect(body).toContain("npm run build");
    expect(headers["content-type"]).toBe("text/plain; charset=utf-8");
  });
});
