/** What strikes while tenants are switched. A seed chooses; each blow has healed when it is over. */

import { setTimeout as delay } from "node:timers/promises";
import { FAILPOINTS } from "../../src/failpoint.ts";
import type { ServerName } from "../../stack/index.ts";
import type { LinkName } from "../faults/support/links.ts";
import type { TcpProxy, Verdict } from "../faults/support/proxy.ts";
import type { Random } from "../support/random.ts";
import type { World } from "./world.ts";

export type Blow = {
  readonly name: string;
  /** Of the verbs. */
  readonly environment: Readonly<Record<string, string>>;
  /** Begins with the verbs, and does not go on for long after them: `over` aborts when they have ended. */
  readonly strike: (world: World, over: AbortSignal) => Promise<void>;
};

const PLACES = Object.keys(FAILPOINTS).filter((name) => name.startsWith("switch.") || name.startsWith("arm."));
const ROLES = ["capture", "apply", "control", "reconcile"] as const;
const LINKS: readonly LinkName[] = ["source", "target", "kafka", "registry"];
const SERVERS: readonly ServerName[] = ["source", "target", "kafka"];
/** A switch takes about a second from its process' start, the fence a tenth of one. */
const WITHIN_MS = 1_200;

const nothing = async () => undefined;

export function blowOf(random: Random, world: Pick<World, "servers">): Blow {
  const kinds = [
    ...[none, failpoint, failpoint, role, run, way, way, way, lostCommit, lostCommit],
    ...(world.servers === undefined ? [] : [server, server]),
  ];
  return random.of(kinds)(random);
}

function none(): Blow {
  return { name: "none", environment: {}, strike: nothing };
}

function failpoint(random: Random): Blow {
  const point = `${random.of(PLACES)}=${random.of(["exit", "exit", "error"])}`;
  return { name: point, environment: { REHOUSE_FAILPOINTS: point }, strike: nothing };
}

function role(random: Random): Blow {
  const [name, afterMs] = [random.of(ROLES), random.int(WITHIN_MS)];
  return {
    name: `kill -9 of ${name}`,
    environment: {},
    strike: async (world) => {
      await delay(afterMs);
      await world.run.killRole(name);
    },
  };
}

function run(random: Random): Blow {
  const afterMs = random.int(WITHIN_MS);
  return {
    name: "kill -9 of run",
    environment: {},
    strike: async (world) => {
      await delay(afterMs);
      world.run.signal("SIGKILL");
      await world.run.ended;
      await world.runAnew();
    },
  };
}

const MANNERS: Readonly<Record<string, (proxy: TcpProxy) => void>> = {
  "is cut": (proxy) => proxy.cut(),
  "is reset": (proxy) => proxy.reset(),
  refuses: (proxy) => proxy.refuse(),
  "is silent": (proxy) => proxy.hold("to-server", "to-client"),
  "hears, and is not heard": (proxy) => proxy.hold("to-client"),
};

function way(random: Random): Blow {
  const [link, manner] = [random.of(LINKS), random.of(Object.keys(MANNERS))];
  const [afterMs, lastsMs] = [random.int(WITHIN_MS), random.of([200, 700, 2_000, 6_000])];
  return {
    name: `after ${afterMs} ms ${link} ${manner} for ${lastsMs} ms`,
    environment: {},
    strike: async ({ links }, over) => {
      await delay(afterMs);
      MANNERS[manner]?.(links.to(link));
      await delay(lastsMs, undefined, { signal: over }).catch(() => undefined);
      links.to(link).heal();
    },
  };
}

/** The one COMMIT of a switch from which there is no return: its answer goes lost, or it never arrives. */
function lostCommit(random: Random): Blow {
  const isDone = random.int(2) === 0;
  // Until then the target cannot be asked what became of it.
  const awayMs = random.of([0, 0, 1_000, 4_000]);
  return {
    name: `the switch's COMMIT ${isDone ? "is not answered" : "does not arrive"}, the target is away for ${awayMs} ms`,
    environment: {},
    strike: async ({ links }, over) => {
      const proxy = links.to("target");
      const switching = new WeakSet<object>();
      let isLost = false;
      proxy.judge(({ direction, kind, bytes }, _, connection): Verdict => {
        if (direction === "to-server" && bytes.includes("switched_at = clock_timestamp()")) switching.add(connection);
        if (isLost || !switching.has(connection)) return "pass";
        const isIt = isDone
          ? direction === "to-client" && kind === "C" && bytes.includes("COMMIT")
          : direction === "to-server" && bytes.includes("COMMIT");
        if (!isIt) return "pass";
        isLost = true;
        if (awayMs > 0) queueMicrotask(() => proxy.refuse());
        return "lose";
      });
      while (!isLost && !over.aborted) await delay(20);
      await delay(isLost ? awayMs : 0);
      proxy.heal();
    },
  };
}

/** One at a time, whoever asks: several worlds may stand on the same servers. */
let turn: Promise<void> = Promise.resolve();

function server(random: Random): Blow {
  const [name, afterMs, downMs] = [random.of(SERVERS), random.int(WITHIN_MS), random.of([0, 500, 3_000])];
  return {
    name: `after ${afterMs} ms kill -9 of the server ${name}, for ${downMs} ms`,
    environment: {},
    strike: async ({ servers }) => {
      await delay(afterMs);
      turn = turn.then(async () => {
        await servers?.kill(name, "SIGKILL");
        await delay(downMs);
        await servers?.start(name);
      });
      await turn;
    },
  };
}
