import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { waitUntil } from "../support/index.ts";
import { Application, MIGRATION, note, quietPool } from "./support.ts";

describe("a router across a switch", () => {
  let application: Application;
  beforeEach(async () => {
    application = await Application.prepare();
  });
  afterEach(() => application[Symbol.asyncDispose]());

  it("writes at the source before any migration has begun, and hears of the first switch", async () => {
    const router = application.router();
    await router.transaction("42", (client) => note(client, "42", "first"));
    expect(await application.notes("source", "42")).toEqual(["first"]);
    await application.begin();
    await application.route("42", "target");
    await waitUntil(async () => (await router.home("42")).side === "target", { deadlineMs: 10_000, what: "the router to hear" });
    expect(await router.home("43")).toEqual({ side: "source", schema: undefined, generation: 0 });
  });

  it("loses no write and repeats none while tenants are switched there and back under writers", async () => {
    await application.begin();
    const router = application.router({ deadlineMs: 30_000 });
    const stop = new AbortController();
    const acknowledged = new Map<string, string[]>();
    const write = async (writer: number) => {
      for (let n = 0; !stop.signal.aborted; n += 1) {
        const tenant = String(n % 2);
        const id = `${writer}-${n}`;
        await router.transaction(tenant, async (client) => {
          await note(client, tenant, id);
          await client.query("SELECT pg_sleep(0.002)");
        });
        acknowledged.set(tenant, [...(acknowledged.get(tenant) ?? []), id]);
      }
    };
    const writers = Promise.all([1, 2, 3, 4].map(write));
    for (const to of ["target", "source", "target"] as const) {
      for (const tenant of ["0", "1"]) {
        const before = acknowledged.get(tenant)?.length ?? 0;
        await application.switch(tenant, to);
        await waitUntil(() => (acknowledged.get(tenant)?.length ?? 0) > before + 8, { deadlineMs: 20_000, what: "writes go on" });
      }
    }
    stop.abort();
    await writers;
    for (const tenant of ["0", "1"]) {
      const [source, target] = [await application.notes("source", tenant), await application.notes("target", tenant)];
      expect([...source, ...target].sort()).toEqual([...(acknowledged.get(tenant) ?? [])].sort());
      expect(source.length).toBeGreaterThan(0);
      expect(target.length).toBeGreaterThan(0);
    }
  });

  /** A transaction of tenant 42 before its closed fence, once the router has made so many attempts. */
  async function heldBack(times: number): Promise<{ readonly written: Promise<void> }> {
    const router = application.router();
    await application.fence(application.source, "42", "fenced", "target");
    let attempts = 0;
    const written = router.transaction("42", async (client) => {
      attempts += 1;
      await note(client, "42", "patient");
    });
    await waitUntil(() => attempts >= times, { deadlineMs: 10_000, what: "the router to try again" });
    return { written };
  }

  it("waits out a closed fence, and writes where the tenant is when it opens", async () => {
    await application.begin();
    const { written } = await heldBack(3);
    await application.route("42", "target");
    await application.fence(application.source, "42", "moved", "target");
    await written;
    expect(await application.notes("target", "42")).toEqual(["patient"]);
    expect(await application.notes("source", "42")).toEqual([]);
  });

  it("goes on at the old home when a switch is taken back", async () => {
    await application.begin();
    const { written } = await heldBack(2);
    await application.open(application.source, "42");
    await written;
    expect(await application.notes("source", "42")).toEqual(["patient"]);
  });

  it("says when the fence stays closed beyond the deadline, and what it met", async () => {
    await application.begin();
    const router = application.router();
    await router.home("42");
    await application.fence(application.source, "42", "fenced", "target");
    const writing = router.transaction("42", (client) => note(client, "42", "late"), { deadlineMs: 300 });
    await expect(writing).rejects.toMatchObject({ code: "REHOUSE_ROUTE_DEADLINE", cause: { code: "RH010" } });
    await router.transaction("43", (client) => note(client, "43", "another tenant"));
    expect(await application.notes("source", "43")).toEqual(["another tenant"]);
  });

  it("follows the fences both ways when it hears of no route, and later forgets what they said for what it hears", async () => {
    const router = application.router({ routes: "events" });
    await application.switch("42", "target", { route: false });
    await router.transaction("42", (client) => note(client, "42", "a"));
    await application.switch("42", "source", { route: false });
    await router.transaction("42", (client) => note(client, "42", "b"));
    // An event that comes late leads back to the old home, where the fence says it again.
    router.learn({ migration: MIGRATION, tenant: "42", home: "target", schema: undefined, generation: 1 });
    expect((await router.home("42")).side).toBe("target");
    await router.transaction("42", (client) => note(client, "42", "c"));
    router.learn({ migration: MIGRATION, tenant: "42", home: "source", schema: undefined, generation: 2 });
    router.learn({ migration: MIGRATION, tenant: "42", home: "target", schema: undefined, generation: 1 });
    router.learn({ migration: "another", tenant: "42", home: "target", schema: undefined, generation: 9 });
    expect(await router.home("42")).toEqual({ side: "source", schema: undefined, generation: 2 });
    expect(await application.notes("target", "42")).toEqual(["a"]);
    expect(await application.notes("source", "42")).toEqual(["b", "c"]);
  });

  it("learns what it missed while its connection was lost", async () => {
    await application.begin();
    const errors: unknown[] = [];
    const routes = quietPool(application.urls.target, "routes");
    const router = application.router({ routes, onError: (error) => errors.push(error) });
    expect((await router.home("42")).side).toBe("source");
    const { rows } = await routes.query("SELECT pg_backend_pid() AS own");
    const { rowCount } = await application.target.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'routes' AND pid <> $1`,
      [rows[0]?.own],
    );
    expect(rowCount).toBe(1);
    await application.route("42", "target");
    await waitUntil(async () => (await router.home("42")).side === "target", { deadlineMs: 10_000, what: "the router to hear" });
    expect(errors.length).toBeGreaterThan(0);
    await router.close();
    await routes.end();
  });

  it("asks for a home that must not be behind", async () => {
    await application.begin();
    const router = application.router();
    expect((await router.home("42")).side).toBe("source");
    // What nobody is notified of stands for a notification under way.
    await application.state.query("INSERT INTO rehouse.route VALUES ($1, '42', 'target', 'tenant_42', 1)", [MIGRATION]);
    expect((await router.home("42")).side).toBe("source");
    expect(await router.home("42", { fresh: true })).toEqual({ side: "target", schema: "tenant_42", generation: 1 });
    expect((await router.home("42")).side).toBe("target");
  });

  it("does not guess while the database with the routes was never reached, and follows the fences while it is away later", async () => {
    const nowhere = { connect: () => Promise.reject(new Error("nobody is there")) };
    const router = application.router({ routes: nowhere });
    await expect(router.home("42", { deadlineMs: 200 })).rejects.toMatchObject({ code: "REHOUSE_ROUTE_UNKNOWN" });
    const writing = router.transaction("42", (client) => note(client, "42", "a"), { deadlineMs: 200 });
    await expect(writing).rejects.toMatchObject({ code: "REHOUSE_ROUTE_UNKNOWN" });

    await application.begin();
    let isAway = false;
    const routes = { connect: () => (isAway ? nowhere.connect() : application.target.connect()) };
    const later = application.router({ routes });
    expect((await later.home("42")).side).toBe("source");
    isAway = true;
    await application.switch("42", "target", { route: false });
    await later.transaction("42", (client) => note(client, "42", "b"));
    expect(await application.notes("target", "42")).toEqual(["b"]);
  });
});
