/** What Prometheus gets from the API's own port. */

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { openApiDocument } from "../../src/api/index.ts";
import { RehouseError } from "../../src/errors.ts";
import { status, tenant } from "../cli/support.ts";
import { type Api, api, bearer } from "./support.ts";

/** The answer is no JSON. */
async function scraped(it: Api, headers: Record<string, string> = {}) {
  const {
    statusCode,
    headers: answered,
    body,
  } = await it.server.app.inject({
    ...{ method: "GET", url: "/metrics", headers: { host: "127.0.0.1:7070", ...headers } },
  });
  return { status: statusCode, type: String(answered["content-type"]), headers: answered, body };
}

const DOCUMENTED = [
  ...readFileSync(new URL("../../docs/metrics.md", import.meta.url), "utf8").matchAll(/^\| `(rehouse_\w+)`/gm),
].map(([, name]) => name);

describe("GET /metrics", () => {
  it("has every metric of docs/metrics.md, read off the status", async () => {
    await using it = api({ status: async () => status({ tenants: [tenant("42", "in-sync"), tenant("43", "soaking")] }) });
    const { status: code, type, body } = await scraped(it);
    expect([code, type]).toEqual([200, expect.stringMatching(/^text\/plain; version=0\.0\.4/)]);
    const typed = [...body.matchAll(/^# TYPE (rehouse_\w+) /gm)].map(([, name]) => name);
    expect(DOCUMENTED.length).toBeGreaterThan(25);
    expect(typed.sort()).toEqual(DOCUMENTED.toSorted());
    expect(body).toContain('rehouse_tenants{phase="in-sync",migration="move-enterprise"} 1');
    expect(body).toContain('rehouse_build_info{version="1.2.3",migration="move-enterprise"} 1');
    // Of the process that answers.
    expect(body).toMatch(/^process_resident_memory_bytes\{/m);
  });

  it("is answered while the state cannot be read, and says that", async () => {
    await using it = api({ status: () => Promise.reject(new RehouseError("REHOUSE_UNREACHABLE", { what: "away" })) });
    const { status: code, body } = await scraped(it);
    expect(code).toBe(200);
    expect(body).toContain('rehouse_status_up{migration="move-enterprise"} 0');
  });

  it("needs a viewer's token wherever another machine may ask, and none on loopback", async () => {
    await using elsewhere = api({}, { onLoopback: false });
    const refused = await scraped(elsewhere, { host: "db7.example" });
    expect(refused).toMatchObject({ status: 401, headers: { "www-authenticate": 'Bearer realm="rehouse"' } });
    expect(refused.body).not.toContain("rehouse_");
    expect((await scraped(elsewhere, { host: "db7.example", ...bearer("nobody") })).status).toBe(401);
    expect((await scraped(elsewhere, { host: "db7.example", ...bearer("vera") })).status).toBe(200);
    await using proxied = api();
    expect((await scraped(proxied, { "x-forwarded-for": "203.0.113.9" })).status).toBe(401);
    expect((await scraped(proxied, { host: "evil.example" })).status).toBe(403);
  });

  it("is in the OpenAPI document, for a token or none", () => {
    expect(openApiDocument()["paths"]).toMatchObject({
      "/metrics": { get: { security: [{ token: [] }, {}], responses: { 200: { content: { "text/plain": {} } } } } },
    });
  });
});
