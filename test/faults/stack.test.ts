/** Faults of the servers themselves, so with servers of its own: killed, restarted, stopped in mid-air, and a disk that is full. */

import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll } from "vitest";
import { type Faults, type ServerName, type Stack, startStack } from "../../stack/index.ts";
import { faultTests } from "./support/cells.ts";
import type { Fault } from "./support/faults.ts";
import type { Phase } from "./support/phases.ts";
import { SmallDisk, whyNoSmallDisk } from "./support/small-disk.ts";

let stack: Stack;
let servers: Faults;
let disk: SmallDisk | undefined;

beforeAll(async () => {
  stack = await startStack({ own: true });
  if (stack.faults === undefined) throw new Error("servers of one's own can always be broken");
  servers = stack.faults;
  if (whyNoSmallDisk() === undefined && stack.provider === "embedded") disk = await SmallDisk.mount(stack.targetUrl);
}, 120_000);
afterAll(async () => {
  await stack?.stop();
  await disk?.unmount();
});

const NAMES: readonly ServerName[] = ["source", "target", "kafka", "registry"];
const RUNNING: readonly Phase[] = ["backfilling", "catching-up", "in-sync"];
/** Longer than a consumer's session, and than a heartbeat may be late. */
const STANDS_STILL_MS = 8_000;

const FAULTS: readonly Fault[] = [
  ...NAMES.flatMap((name): Fault[] => [
    {
      name: `${name} is killed and comes back`,
      phases: name === "registry" ? ["in-sync"] : RUNNING,
      strike: async (scene) => {
        await servers.kill(name, "SIGKILL");
        await scene.letGo();
        await servers.start(name);
      },
    },
    {
      name: `${name} is restarted`,
      phases: ["in-sync"],
      strike: () => servers.restart(name),
    },
    {
      name: `${name} stands still for ${STANDS_STILL_MS / 1_000} s`,
      phases: name === "registry" ? ["in-sync"] : RUNNING,
      quick: name === "target" ? ["in-sync"] : [],
      strike: async (scene) => {
        await servers.kill(name, "SIGSTOP");
        if (name !== "target") await scene.letGo();
        // The time is the fault itself.
        await delay(STANDS_STILL_MS);
        await servers.kill(name, "SIGCONT");
      },
    },
  ]),
  {
    name: "target's disk is full",
    phases: RUNNING,
    quick: ["in-sync"],
    unavailable: whyNoSmallDisk(),
    strike: async (scene) => {
      await disk?.fill();
      await scene.letGo();
      await scene.until("the full disk to be felt", async () => scene.run.said.includes("No space left on device"));
      await disk?.free();
    },
  },
];

faultTests(
  FAULTS,
  () => stack,
  () => (disk === undefined ? "" : SmallDisk.tablespace),
);
