/** The parts of the API that are functions: pages of tenants, limits, addresses, snapshots, tokens, and what the documents say. */

import { describe, expect, it } from "vitest";
import { isSecretOf, newToken, parseToken } from "../../src/access/token.ts";
import { listen } from "../../src/api/listen.ts";
import { openApiDocument } from "../../src/api/openapi.ts";
import { addressKey, RateLimit } from "../../src/api/rate-limit.ts";
import { rehearsalDocument } from "../../src/api/rehearsal-schema.ts";
import { Snapshots } from "../../src/api/snapshot.ts";
import { statusDocument, summary } from "../../src/api/status-schema.ts";
import { pageOf, summarize, type TenantsQuery } from "../../src/api/tenants.ts";
import { createLogger } from "../../src/log.ts";
import { fakeEngine, rehearsal, status, tenant } from "../cli/support.ts";

const stopped = { code: "REHOUSE_CHANGE_REFUSED", what: "x", position: "0/1:1" };
const applied = (lagMs: number) => ({ position: "0/1:1", lagMs, changes: 1 });

describe("a page of tenants", () => {
  const tenants = [
    tenant("1", "in-sync", { applied: applied(7) }),
    tenant("2", "soaking", { applied: applied(900), route: { home: "target", generation: 1, since: "" } }),
    tenant("10", "backfilling", { stopped }),
    tenant("Acme", "in-sync", { verified: { rows: 1, differences: 2, at: "2026-01-01T00:00:00Z" } }),
  ];
  const usual = { tenant: undefined, phase: undefined, home: undefined, needsPerson: undefined, search: undefined };
  const page = (more: Partial<TenantsQuery>) => {
    const { total, tenants: found } = pageOf(tenants, { ...usual, sort: "tenant", order: "asc", offset: 0, limit: 100, ...more });
    return [total, ...found.map((one) => one.tenant)];
  };

  it.each([
    [{}, [4, "1", "2", "10", "Acme"]],
    [{ order: "desc" }, [4, "Acme", "10", "2", "1"]],
    [{ sort: "lag", order: "desc", limit: 2 }, [4, "2", "1"]],
    [{ offset: 3 }, [4, "Acme"]],
    [{ offset: 9 }, [4]],
    [{ phase: ["in-sync", "soaking"] }, [3, "1", "2", "Acme"]],
    [{ home: "target" }, [1, "2"]],
    [{ needsPerson: true }, [2, "10", "Acme"]],
    [{ search: "ACM" }, [1, "Acme"]],
    [{ tenant: ["10", "11"] }, [1, "10"]],
  ] satisfies [Partial<TenantsQuery>, (number | string)[]][])("%j", (query, expected) => expect(page(query)).toEqual(expected));

  it("is counted in the summary, which is the rest of the status", () => {
    const made = summarize(status({ tenants }));
    expect(made.tenants).toMatchObject({
      total: 4,
      needPerson: 2,
      phases: { "in-sync": 2, soaking: 1, backfilling: 1, planned: 0 },
    });
    expect(summary.parse(made)).toEqual(made);
  });
});

describe("the rate", () => {
  it("is a burst, and then so many a second, for each by itself", () => {
    const limit = new RateLimit({ perSecond: 2, burst: 3, most: 2 });
    expect([1, 2, 3, 4].map(() => limit.take("a", 0))).toEqual([0, 0, 0, 1]);
    expect(limit.take("b", 0)).toBe(0);
    expect([limit.take("a", 500), limit.take("a", 500)]).toEqual([0, 1]);
    // No more than two are remembered: whoever floods with addresses gains nothing but what a new one has.
    limit.take("c", 500);
    expect(limit.take("b", 500)).toBe(0);
  });

  it.each([
    ["203.0.113.9", "203.0.113.9"],
    ["::ffff:203.0.113.9", "203.0.113.9"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
    ["2001:DB8:1:2::", "2001:db8:1:2"],
    ["2001:db8::1", "2001:db8:0:0"],
    ["::1", "0:0:0:0"],
  ])("takes %s for %s", (address, key) => expect(addressKey(address)).toBe(key));
});

describe("the status of a moment ago", () => {
  it("is read once for all who ask at a time, and anew after something was changed", async () => {
    let reads = 0;
    const snapshots = new Snapshots(
      async () => status({ apply: { changes: ++reads, lagMs: null } }),
      new AbortController().signal,
    );
    const seen = async () => (await snapshots.current()).status.apply.changes;
    expect(await Promise.all([seen(), seen(), seen()])).toEqual([1, 1, 1]);
    expect(await seen()).toBe(1);
    snapshots.invalidate();
    expect(await Promise.all([seen(), seen()])).toEqual([2, 2]);
  });

  it("is not one whose reading began before the change", async () => {
    const waiting: (() => void)[] = [];
    let reads = 0;
    const snapshots = new Snapshots(async () => {
      const changes = ++reads;
      await new Promise<void>((resolve) => waiting.push(resolve));
      return status({ apply: { changes, lagMs: null } });
    }, new AbortController().signal);
    const before = snapshots.current();
    snapshots.invalidate();
    const after = snapshots.current();
    waiting[0]?.();
    while (waiting.length < 2) await new Promise(setImmediate);
    waiting[1]?.();
    expect((await Promise.all([before, after])).map(({ status }) => status.apply.changes)).toEqual([2, 2]);
  });

  it("is one document of JSON, made once for all who ask, with others having their turn meanwhile", async () => {
    const tenants = Array.from({ length: 10_000 }, (_, n) => tenant(`${n}`, "in-sync", { applied: applied(n) }));
    const snapshots = new Snapshots(async () => status({ tenants, stopped: null }), new AbortController().signal);
    const snapshot = await snapshots.current();
    let turns = 0;
    const others = setInterval(() => turns++, 0);
    const [one, other] = await Promise.all([snapshot.json(), snapshot.json()]);
    clearInterval(others);
    expect(turns).toBeGreaterThan(0);
    expect(other).toBe(one);
    expect(JSON.parse(one.toString())).toEqual(snapshot.status);
    const empty = new Snapshots(async () => status(), new AbortController().signal);
    expect(JSON.parse((await (await empty.current()).json()).toString())).toEqual(status());
  });

  it("is asked for again after a failure", async () => {
    let fails = true;
    const snapshots = new Snapshots(
      async () => (fails ? Promise.reject(new Error("away")) : status()),
      new AbortController().signal,
    );
    await expect(snapshots.current()).rejects.toThrow("away");
    fails = false;
    expect((await snapshots.current()).status.state).toBe("running");
  });
});

describe("a token", () => {
  it("is known again by its id and its secret, and by nothing else", () => {
    const { id, text, hash } = newToken();
    const parsed = parseToken(text);
    expect(parsed?.id).toBe(id);
    expect(isSecretOf(hash, parsed?.secret ?? "")).toBe(true);
    expect(isSecretOf(hash, parseToken(newToken().text)?.secret ?? "")).toBe(false);
    expect(hash).not.toContain(parsed?.secret);
    for (const wrong of ["", "rht_", text.slice(0, -1), `${text}x`, text.toUpperCase(), ` ${text}`])
      expect(parseToken(wrong), wrong).toBe(undefined);
  });
});

describe("listening", () => {
  const settings = (hasToken: boolean) => {
    const engine = fakeEngine([]);
    const access = { ...engine.access, hasToken: async () => hasToken };
    const metrics = { contentType: "text/plain", text: async () => "" };
    return { engine: { ...engine, access }, migration: "m", log: createLogger("silent"), archive: undefined, metrics };
  };
  const flags = { tlsCert: undefined, tlsKey: undefined, insecureListen: false };

  it.each(["0.0.0.0:0", "[::]:0", "192.0.2.1:7070", "db7.example:7070"])(
    "where others are, %s, is refused without TLS, and without a token",
    async (address) => {
      const code = "REHOUSE_UNSAFE_LISTEN";
      await expect(listen(settings(true), { ...flags, listen: address })).rejects.toMatchObject({ code, where: address });
      const insecure = listen(settings(false), { ...flags, listen: address, insecureListen: true });
      await expect(insecure).rejects.toMatchObject({ code, fix: expect.stringContaining("token create") });
    },
  );

  it.each(["7070", "localhost", "host:99999", ":7070", "::1:7070"])("%j is no address", async (address) => {
    await expect(listen(settings(true), { ...flags, listen: address })).rejects.toMatchObject({ code: "REHOUSE_USAGE" });
  });

  it("needs certificate and key together, and says which of them it cannot read", async () => {
    const on = (more: object) => listen(settings(true), { ...flags, listen: "127.0.0.1:0", ...more });
    await expect(on({ tlsCert: "/nowhere/c.pem" })).rejects.toThrow("need one another");
    await expect(on({ tlsCert: "/nowhere/c.pem", tlsKey: "/nowhere/k.pem" })).rejects.toMatchObject({ where: "/nowhere/c.pem" });
  });
});

describe("the OpenAPI document", () => {
  const document = openApiDocument();
  const text = JSON.stringify(document);

  it("refers to nothing that is not in it, and names no operation twice", () => {
    const named = Object.keys((document["components"] as { schemas: object }).schemas).map(
      (name) => `#/components/schemas/${name}`,
    );
    for (const [, reference] of text.matchAll(/"\$ref":"([^"]+)"/g)) expect(named).toContain(reference);
    const ids = [...text.matchAll(/"operationId":"([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("lets nothing be changed without a token", () => {
    const paths = Object.entries(document["paths"] as Record<string, { post?: { security: object[] } }>);
    const posts = paths.flatMap(([path, { post }]) => (post === undefined ? [] : [[path, post.security]]));
    expect(posts.length).toBeGreaterThan(10);
    for (const [path, security] of posts) expect(security, String(path)).toEqual([{ token: [] }]);
  });

  it("describes what the command line prints", () => {
    const made = status({ tenants: [tenant("42", "in-sync", { stopped })] });
    expect(statusDocument.parse(made)).toEqual(made);
    expect(rehearsalDocument.parse(rehearsal())).toEqual(rehearsal());
  });
});
