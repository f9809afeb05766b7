import { test } from "vitest";
import { createDatabase } from "../../connectors/postgres/database.ts";
import { resolveThrottle } from "../../src/file/resolve-throttle.ts";
import { createLogger } from "../../src/log.ts";
import { stateSql } from "../../src/package.ts";
import { runThrottle } from "../../src/throttle/control.ts";
import { readThrottle } from "../../src/throttle/index.ts";
import { freshDatabases, waitUntil } from "../support/index.ts";

const SETTINGS = resolveThrottle({ latency: "off", latencyTimes: "off", connections: "off", lockWaits: "off" });

/** A migration as far as its controller looks at it: with a chunk that waits to be copied. */
async function waiting(name: string) {
  const databases = await freshDatabases();
  const [source, target] = [createDatabase({ url: databases.sourceUrl }), createDatabase({ url: databases.targetUrl })];
  await target.transaction((session) => session.query(stateSql()));
  await target.query("INSERT INTO rehouse.migration (name, digest, partitions, version) VALUES ($1, '', 1, '0')", [name]);
  await target.query("INSERT INTO rehouse.chunk (migration, wave, source, relation, filenode) VALUES ($1, 1, 'a.b', 'a.b', 0)", [
    name,
  ]);
  const stopping = new AbortController();
  const running = runThrottle(
    { migration: name, slot: name, source, target, settings: SETTINGS, log: createLogger("silent") },
    stopping.signal,
  );
  return {
    target,
    throttle: () => readThrottle(target, name, SETTINGS),
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await running;
      await Promise.all([source.close(), target.close()]);
      await databases.drop();
    },
  };
}

test("two migrations share what one server is to bear, and one has it alone when the other has nothing to copy", async () => {
  await using first = await waiting("budget-one");
  await using second = await waiting("budget-two");
  const until = (what: string, holds: () => Promise<boolean>) => waitUntil(holds, { deadlineMs: 15_000, what, everyMs: 100 });
  await until("both to have a share", async () => {
    const both = [await first.throttle(), await second.throttle()];
    return both.every(({ pace, because }) => pace <= 0.5 && because?.signal === "other migrations on the server");
  });
  const before = (await first.throttle()).pace;
  await second.target.query("DELETE FROM rehouse.chunk");
  await until("the first to have more", async () => (await first.throttle()).pace > before);
});
