import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { CommitUnknown } from "../../src/router/index.ts";
import { Application, note, quietPool } from "./support.ts";

describe("a transaction through the router", () => {
  let application: Application;
  beforeAll(async () => {
    application = await (await Application.prepare()).begin();
    // A row of tenant `end` ends its own session when it is about to be committed, one of tenant `break` breaks the commit.
    await application.source.query(`
      CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF NEW.tenant = 'end' THEN PERFORM pg_terminate_backend(pg_backend_pid());
        ELSIF NEW.tenant = 'break' THEN RAISE EXCEPTION 'not this one';
        END IF;
        RETURN NULL;
      END $$;
      CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON notes DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION at_commit();
      CREATE TABLE counters (name text PRIMARY KEY, value int NOT NULL);
      INSERT INTO counters VALUES ('serial', 0), ('a', 0), ('b', 0);
      CREATE SCHEMA "of ""42""";
      CREATE TABLE "of ""42""".mine (id text)`);
  });
  afterEach(() => application.closeRouters());
  afterAll(() => application[Symbol.asyncDispose]());

  it("gives what its body gives, and commits what that wrote", async () => {
    const router = application.router();
    const value = await router.transaction("1", async (client, home) => {
      await note(client, "1", "kept");
      return home.side;
    });
    expect(value).toBe("source");
    expect(await application.notes("source", "1")).toEqual(["kept"]);
  });

  it("keeps nothing when its body throws, and throws the same", async () => {
    const router = application.router();
    const problem = new Error("no such order");
    let calls = 0;
    const writing = router.transaction("2", async (client) => {
      calls += 1;
      await note(client, "2", "undone");
      throw problem;
    });
    await expect(writing).rejects.toBe(problem);
    expect(calls).toBe(1);
    expect(await application.notes("source", "2")).toEqual([]);
  });

  it("is repeated as a whole on a serialization failure", async () => {
    const router = application.router({ deadlineMs: 30_000 });
    const increment = () =>
      router.transaction(
        "1",
        async (client) => {
          const { rows } = await client.query<{ value: number }>("SELECT value FROM counters WHERE name = 'serial'");
          await client.query("SELECT pg_sleep(0.005)");
          await client.query("UPDATE counters SET value = $1 WHERE name = 'serial'", [(rows[0]?.value ?? 0) + 1]);
        },
        { isolation: "serializable" },
      );
    await Promise.all(Array.from({ length: 10 }, increment));
    const { rows } = await application.source.query("SELECT value FROM counters WHERE name = 'serial'");
    expect(rows).toEqual([{ value: 10 }]);
  });

  it("is repeated as a whole on a deadlock", async () => {
    const router = application.router({ deadlineMs: 30_000 });
    let isMet: () => void = () => undefined;
    const met = new Promise<void>((resolve) => {
      isMet = resolve;
    });
    let inside = 0;
    const both = (first: string, second: string) =>
      router.transaction("1", async (client) => {
        await client.query("UPDATE counters SET value = value + 1 WHERE name = $1", [first]);
        inside += 1;
        if (inside === 2) isMet();
        await met;
        await client.query("UPDATE counters SET value = value + 1 WHERE name = $1", [second]);
      });
    await Promise.all([both("a", "b"), both("b", "a")]);
    expect(inside).toBeGreaterThan(2);
    const { rows } = await application.source.query("SELECT value FROM counters WHERE name IN ('a', 'b')");
    expect(rows).toEqual([{ value: 2 }, { value: 2 }]);
  });

  it("is repeated when its connection is lost before the COMMIT, and the process lives on", async () => {
    const router = application.router();
    let calls = 0;
    await router.transaction("3", async (client) => {
      calls += 1;
      await note(client, "3", "once");
      if (calls === 1) await client.query("SELECT pg_terminate_backend(pg_backend_pid())");
    });
    expect(calls).toBe(2);
    expect(await application.notes("source", "3")).toEqual(["once"]);
  });

  it("is reported as unknown, and not repeated, when the answer to its COMMIT is lost", async () => {
    const router = application.router();
    let calls = 0;
    const writing = router.transaction("end", async (client) => {
      calls += 1;
      await note(client, "end", "who knows");
    });
    await expect(writing).rejects.toBeInstanceOf(CommitUnknown);
    await expect(writing).rejects.toMatchObject({ code: "REHOUSE_COMMIT_UNKNOWN" });
    expect(calls).toBe(1);
  });

  it("throws what the COMMIT was refused with", async () => {
    const router = application.router();
    const writing = router.transaction("break", (client) => note(client, "break", "never"));
    await expect(writing).rejects.toMatchObject({ code: "P0001", message: "not this one" });
    expect(await application.notes("source", "break")).toEqual([]);
  });

  it("is not taken for committed when its body caught a statement's error", async () => {
    const router = application.router();
    const writing = router.transaction("4", async (client) => {
      await note(client, "4", "lost with the other");
      await client.query("SELECT 1 / 0").catch(() => undefined);
    });
    await expect(writing).rejects.toMatchObject({ code: "REHOUSE_COMMIT_UNDONE" });
    expect(await application.notes("source", "4")).toEqual([]);
  });

  it("is not repeated elsewhere for a row of another tenant who has moved", async () => {
    const router = application.router();
    await application.fence(application.source, "6", "moved", "target");
    const writing = router.transaction("5", (client) => note(client, "6", "astray"));
    await expect(writing).rejects.toMatchObject({ code: "REHOUSE_USAGE", cause: { code: "RH011" } });
  });

  it("waits for a home that is not reached for a while", async () => {
    const gone = quietPool(application.urls.source);
    let refusals = 2;
    const source = {
      connect: () => {
        refusals -= 1;
        const refused = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
        return refusals >= 0 ? Promise.reject(refused) : gone.connect();
      },
    };
    const router = application.router({ homes: { source, target: application.target } });
    await router.transaction("7", (client) => note(client, "7", "at last"));
    expect(await application.notes("source", "7")).toEqual(["at last"]);
    await gone.end();
  });

  it("does not wait for a connection beyond its deadline", async () => {
    const source = { connect: () => new Promise<never>(() => undefined) };
    const router = application.router({ homes: { source, target: application.target } });
    await router.home("8");
    const writing = router.transaction("8", (client) => note(client, "8", "never"), { deadlineMs: 200 });
    await expect(writing).rejects.toMatchObject({ code: "REHOUSE_ROUTE_DEADLINE" });
  });

  it("has the tenant's schema first in its search path, if asked, and leaves the session's alone", async () => {
    const schemas: Record<string, string> = { "42": 'of "42"' };
    const router = application.router({ searchPath: (tenant) => schemas[tenant] });
    const path = await router.transaction("42", async (client) => {
      await client.query("INSERT INTO mine VALUES ('x')");
      return (await client.query<{ search_path: string }>("SHOW search_path")).rows[0]?.search_path;
    });
    expect(path).toBe('"of ""42""", "$user", public');
    const after = await router.transaction("43", async (client) => (await client.query("SHOW search_path")).rows);
    expect(after).toEqual([{ search_path: '"$user", public' }]);
  });

  it("reads only, if asked", async () => {
    const router = application.router();
    const writing = router.transaction("1", (client) => note(client, "1", "never"), { readOnly: true });
    await expect(writing).rejects.toMatchObject({ code: "25006" });
  });

  it("leaves its pools with the connections that they had", async () => {
    expect(application.source.waitingCount).toBe(0);
    expect(application.source.idleCount).toBe(application.source.totalCount);
  });
});
