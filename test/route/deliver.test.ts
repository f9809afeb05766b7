import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RehouseError } from "../../src/errors.ts";
import type { Channel } from "../../src/route/deliver.ts";
import { deliverRoutes, type Home, type RouteChange, readFailingChannels, recordRoute } from "../../src/route/index.ts";
import { Outbox } from "../../src/route/outbox.ts";
import { waitUntil } from "../support/index.ts";
import { freshRoutes, type Routes } from "./support.ts";

const log = pino({ level: "silent" });

/** A channel that remembers what it was told, and fails for as long as `fails` says so. */
class Ear implements Channel {
  readonly name = "webhook";
  readonly parallel = 4;
  readonly heard: string[] = [];
  fails: (change: RouteChange) => boolean = () => false;

  tell(change: RouteChange): Promise<void> {
    if (this.fails(change)) return Promise.reject(new RehouseError("REHOUSE_WEBHOOK", { what: "deaf" }));
    this.heard.push(`${change.tenant}:${change.generation}:${change.home}`);
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  of(tenant: string): string[] {
    return this.heard.filter((one) => one.startsWith(`${tenant}:`));
  }
}

describe("what has to be told of routes", () => {
  let routes: Routes;
  beforeAll(async () => {
    routes = await freshRoutes();
  });
  afterAll(() => routes[Symbol.asyncDispose]());

  const switched = (tenant: string, home: Home) =>
    routes.target.transaction((session) =>
      recordRoute(session, { migration: routes.migration, tenant, home, schema: undefined }),
    );
  const heard = (ear: Ear, tenant: string, times: number) =>
    waitUntil(() => ear.of(tenant).length >= times && ear.of(tenant), {
      deadlineMs: 20_000,
      what: `tenant ${tenant} to be told`,
    });

  async function whileDelivering(ear: Ear, body: () => Promise<void>): Promise<void> {
    const stop = new AbortController();
    const delivering = deliverRoutes({ migration: routes.migration, target: routes.target, channels: [ear], log }, stop.signal);
    try {
      await Promise.race([body(), delivering.then(() => Promise.reject(new Error("it ended by itself")))]);
    } finally {
      stop.abort();
      await delivering;
    }
  }

  it("is told once, of each tenant in order, the ones from before it was begun too", async () => {
    const ear = new Ear();
    await switched("1", "target");
    await switched("1", "source");
    await whileDelivering(ear, async () => {
      await switched("1", "target");
      expect(await heard(ear, "1", 3)).toEqual(["1:1:target", "1:2:source", "1:3:target"]);
    });
    const open = await routes.target.query(
      "SELECT FROM rehouse.route_delivery WHERE migration = $1 AND channel = 'webhook' AND done_at IS NULL",
      [routes.migration],
    );
    expect(open).toEqual([]);
  });

  it("waits for what its tenant failed with, holds up no other tenant, and is shown until it is told", async () => {
    const ear = new Ear();
    let deaf = true;
    ear.fails = ({ tenant }) => deaf && tenant === "2";
    await whileDelivering(ear, async () => {
      await switched("2", "target");
      await switched("2", "source");
      await switched("3", "target");
      await heard(ear, "3", 1);
      const failing = await waitUntil(
        async () => {
          const [one] = await readFailingChannels(routes.target, routes.migration);
          return one !== undefined && one.attempts >= 2 && one;
        },
        { deadlineMs: 20_000, what: "a second attempt" },
      );
      expect(failing).toMatchObject({ channel: "webhook", pending: 2, code: "REHOUSE_WEBHOOK", what: "tenant 2: deaf" });
      expect(ear.of("2")).toEqual([]);
      deaf = false;
      expect(await heard(ear, "2", 2)).toEqual(["2:1:target", "2:2:source"]);
    });
    expect(await readFailingChannels(routes.target, routes.migration)).toEqual([]);
  });

  it("is told again when the process was lost before it was marked", async () => {
    await switched("4", "target");
    const outbox = new Outbox(routes.target, routes.migration, "webhook");
    expect((await outbox.take(8)).map(({ change }) => change.tenant)).toEqual(["4"]);
    expect(await outbox.take(8)).toEqual([]);
    await routes.target.query("UPDATE rehouse.route_delivery SET not_before = now() WHERE tenant = '4'");
    const ear = new Ear();
    await whileDelivering(ear, async () => void (await heard(ear, "4", 1)));
    expect(ear.of("4")).toEqual(["4:1:target"]);
  });

  it("ends with the newest when a process that had stalled tells an old one late", async () => {
    await switched("5", "target");
    const outbox = new Outbox(routes.target, routes.migration, "webhook");
    const [stalled] = await outbox.take(8);
    await routes.target.query("UPDATE rehouse.route_delivery SET not_before = now() WHERE tenant = '5'");
    await switched("5", "source");
    const ear = new Ear();
    await whileDelivering(ear, async () => {
      await heard(ear, "5", 2);
      if (stalled === undefined) throw new Error("nothing was taken");
      await waitUntil(
        async () =>
          (
            await routes.target.query(
              "SELECT FROM rehouse.route_delivery WHERE tenant = '5' AND channel = 'webhook' AND done_at IS NULL",
            )
          ).length === 0,
        { deadlineMs: 10_000, what: "both to be marked" },
      );
      await ear.tell(stalled.change);
      await outbox.done(stalled);
      expect(await heard(ear, "5", 4)).toEqual(["5:1:target", "5:2:source", "5:1:target", "5:2:source"]);
    });
  });
});
