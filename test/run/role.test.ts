import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createDatabase } from "../../connectors/postgres/database.ts";
import type { RunEvent } from "../../src/cli/engine.ts";
import { RehouseError } from "../../src/errors.ts";
import { createLogger } from "../../src/log.ts";
import { stateSql } from "../../src/package.ts";
import { ConnectionLost, type Database, ServerError } from "../../src/ports.ts";
import { type RoleDeps, runRole } from "../../src/run/role.ts";
import { asRehouseError } from "../../src/server-failure.ts";
import { type FreshDatabases, freshDatabases } from "../support/index.ts";

const STATE_SQL = stateSql();
const away = () => new RehouseError("REHOUSE_UNREACHABLE", { what: "Kafka is away", where: "broker:1" });
const until = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));

describe("a role", () => {
  let databases: FreshDatabases;
  let target: Database;
  let events: RunEvent[];
  beforeAll(async () => {
    databases = await freshDatabases();
    target = createDatabase({ url: databases.targetUrl });
    await target.query(STATE_SQL);
  });
  afterAll(async () => {
    await target.close();
    await databases.drop();
  });
  beforeEach(async () => {
    events = [];
    await target.query("DELETE FROM rehouse.migration");
    await target.query("INSERT INTO rehouse.migration (name, digest, partitions, version) VALUES ('m', '', 1, '0')");
  });

  function run(stage: RoleDeps["stage"], signal: AbortSignal): Promise<void> {
    const onEvent = (event: RunEvent) => events.push(event);
    return runRole({ role: "apply", migration: "m", target, stage, onEvent, log: createLogger("silent") }, signal);
  }

  /** What `status` shows of the role. */
  async function shown(): Promise<{ alive: boolean; error: string | null }> {
    const [row] = await target.query(
      "SELECT beat_at > now() - interval '5 seconds' AS alive, error ->> 'what' AS error FROM rehouse.process WHERE role = 'apply'",
    );
    return { alive: row?.["alive"] === "t", error: row?.["error"] ?? null };
  }

  it("waits out what time heals, says so meanwhile, and no longer says so afterwards", async () => {
    const stop = new AbortController();
    let starts = 0;
    const running = run(async (_heart, signal) => {
      starts++;
      if (starts < 4) throw away();
      await until(signal);
    }, stop.signal);
    await expect.poll(shown, { timeout: 10_000 }).toEqual({ alive: true, error: "Kafka is away" });
    await expect.poll(() => starts, { timeout: 10_000 }).toBe(4);
    expect(events).toEqual([{ level: "warning", role: "apply", text: "waits: Kafka is away (broker:1)" }]);
    await expect.poll(shown, { timeout: 10_000 }).toEqual({ alive: true, error: null });
    stop.abort();
    await running;
    expect(await target.query("SELECT FROM rehouse.process")).toEqual([]);
  });

  it("shows what one part waits out when all is well with another", async () => {
    const stop = new AbortController();
    const running = run(async (heart, signal) => {
      heart.report(away(), "0/main");
      heart.report(undefined, "1/main");
      await until(signal);
    }, stop.signal);
    await expect.poll(shown, { timeout: 10_000 }).toEqual({ alive: true, error: "Kafka is away" });
    stop.abort();
    await running;
  });

  it("ends with what a person has to act on, and leaves it to be seen", async () => {
    const lost = new RehouseError("REHOUSE_SLOT_LOST", { what: "the slot is gone" });
    let beats = 0;
    await expect(
      run(async () => {
        await expect.poll(async () => (await shown()).alive, { timeout: 10_000 }).toBe(true);
        beats++;
        throw lost;
      }, new AbortController().signal),
    ).rejects.toBe(lost);
    expect(beats).toBe(1);
    expect(await shown()).toEqual({ alive: false, error: "the slot is gone" });
  });

  it("ends when the migration is cancelled", async () => {
    const running = run(async (_heart, signal) => until(signal), new AbortController().signal);
    running.catch(() => undefined);
    await target.query("UPDATE rehouse.migration SET state = 'cancelling'");
    await expect(running).rejects.toMatchObject({ code: "REHOUSE_MIGRATION_CHANGED" });
  });
});

describe("what reaches a role", () => {
  it("heals when it is a broken connection, and not when it is an answer that nobody expects", () => {
    expect(asRehouseError(new ConnectionLost("reset"))).toMatchObject({ code: "REHOUSE_UNREACHABLE", policy: "retry" });
    expect(asRehouseError(new ServerError("no such column", { sqlstate: "42703" }))).toMatchObject({
      code: "REHOUSE_SERVER",
      policy: "stop-role",
    });
    expect(asRehouseError(new TypeError("oops"))).toMatchObject({ code: "REHOUSE_INTERNAL", policy: "stop-role" });
    const own = away();
    expect(asRehouseError(own)).toBe(own);
  });
});
