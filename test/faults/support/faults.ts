/** What is broken, and how. Each fault strikes a scene, and has healed when it is done; the scene then has to come to its end. */

import { setTimeout as delay } from "node:timers/promises";
import { ROLES } from "../../../src/cli/engine.ts";
import { FAILPOINTS, type Failpoint } from "../../../src/failpoint.ts";
import type { LinkName } from "./links.ts";
import type { Phase } from "./phases.ts";
import type { Rule, TcpProxy, Verdict } from "./proxy.ts";
import type { Scene } from "./scene.ts";

export type Fault = {
  readonly name: string;
  readonly phases: readonly Phase[];
  /** Part of `npm test`, and not of the whole matrix alone, in these phases. */
  readonly quick?: readonly Phase[];
  readonly failpoints?: string;
  /** Why it cannot be had here. */
  readonly unavailable?: string | undefined;
  readonly strike: (scene: Scene) => Promise<void>;
};

const ALL: readonly Phase[] = ["starting", "backfilling", "catching-up", "in-sync"];
const RUNNING: readonly Phase[] = ["backfilling", "catching-up", "in-sync"];
const APPLYING: readonly Phase[] = ["catching-up", "in-sync"];
const SERVERS: readonly LinkName[] = ["source", "target", "kafka", "registry"];

/** While something is broken, clients commit this often. */
const MEANWHILE = 40;

/** Where each failpoint is passed. What dies at those of a chunk, and before an acknowledgement, stages' own tests tell in `npm test`. */
const PLACES: readonly { of: RegExp; phases: readonly Phase[]; quick?: Partial<Record<Failpoint, Phase>> }[] = [
  { of: /^(publish|ack)\./, phases: RUNNING, quick: { "publish.after": "in-sync" } },
  { of: /^chunk\./, phases: ["backfilling"] },
  { of: /^apply\./, phases: APPLYING, quick: { "apply.commit.after": "in-sync", "apply.place.before": "in-sync" } },
  { of: /^(begin|slot|expand)\./, phases: ["starting"], quick: { "slot.after": "starting" } },
  { of: /^phase\./, phases: ["starting", "backfilling", "catching-up"] },
];

/** Of the ways between Rehouse and its servers, and of what is said on them. */
export const WAY_FAULTS: readonly Fault[] = [...ways(), ...messages(), ...registry()];
/** Of Rehouse's own processes. */
export const PROCESS_FAULTS: readonly Fault[] = [...processes(), ...group(), ...failpoints()];

function processes(): Fault[] {
  const roles = ROLES.map(
    (role): Fault => ({
      name: `kill -9 of ${role}`,
      phases: ALL,
      strike: async (scene) => {
        await scene.run.killRole(role);
        await scene.letGo();
      },
    }),
  );
  return [
    ...roles,
    {
      name: "kill -9 of run",
      phases: ALL,
      strike: async (scene) => {
        scene.run.signal("SIGKILL");
        await scene.run.ended;
        scene.run = scene.migration.run();
        await scene.letGo();
      },
    },
  ];
}

/** The way to each server, broken in each manner for a while. */
function ways(): Fault[] {
  const manners: readonly {
    name: string;
    phases: readonly Phase[];
    quick?: LinkName;
    how: (proxy: TcpProxy) => void | Promise<void>;
  }[] = [
    { name: "is cut", phases: ["in-sync"], how: (proxy) => proxy.cut() },
    { name: "is reset", phases: RUNNING, quick: "source", how: (proxy) => proxy.reset() },
    { name: "refuses", phases: ["starting", "in-sync"], quick: "kafka", how: (proxy) => proxy.refuse() },
    { name: "is silent", phases: RUNNING, quick: "target", how: (proxy) => proxy.hold("to-server", "to-client") },
    {
      name: "is silent for 40 s, then reset",
      phases: ["in-sync"],
      // Longer than a request to Kafka may take. The time is the fault itself.
      how: async (proxy) => {
        proxy.hold("to-server", "to-client");
        await delay(40_000);
        proxy.reset();
      },
    },
    { name: "hears, and is not heard", phases: ["in-sync"], how: (proxy) => proxy.hold("to-client") },
    { name: "is late by 200 ms", phases: ["in-sync"], how: (proxy) => proxy.delay(200, "to-server", "to-client") },
    { name: "has 100 kB/s", phases: ["in-sync"], how: (proxy) => proxy.throttle(100_000, "to-server", "to-client") },
  ];
  return manners.flatMap(({ name, phases, quick, how }) =>
    SERVERS.map(
      (server): Fault => ({
        name: `${server} ${name}`,
        // Nobody asks the registry but processes that start.
        phases: server === "registry" ? phases.filter((phase) => phase === "starting" || phase === "in-sync") : phases,
        quick: quick === server ? ["in-sync"] : [],
        strike: async (scene) => {
          await how(scene.links.to(server));
          await scene.letGo();
          await scene.transactions(MEANWHILE);
          scene.links.to(server).heal();
        },
      }),
    ),
  );
}

/** A message goes lost, or comes late. */
function messages(): Fault[] {
  const commit = (who: string, application: RegExp, phases: readonly Phase[], quick: readonly Phase[]): Fault => ({
    name: `${who}: COMMIT's answer is lost`,
    phases,
    quick,
    strike: (scene) =>
      // One: behind the gate there may be a single chunk.
      losing(scene, "target", 1, ({ direction, kind, bytes }, client) =>
        direction === "to-client" && kind === "C" && bytes.includes("COMMIT") && application.test(client) ? "lose" : "pass",
      ),
  });
  return [
    commit("backfill", /^rehouse backfill write/, ["backfilling"], ["backfilling"]),
    commit("apply", / apply$/, APPLYING, ["in-sync"]),
    commit("control", /^rehouse t-[0-9a-f]+$/, ["starting", "backfilling", "catching-up"], ["starting"]),
    {
      name: "capture: Produce's answer is lost, the batch comes twice",
      phases: RUNNING,
      quick: ["in-sync"],
      strike: async (scene) => {
        await losing(scene, "kafka", 3, ({ direction, kind }) =>
          direction === "to-client" && kind === "Produce" ? "lose" : "pass",
        );
        await scene.until("batches that came twice", async () => (await scene.repeatedMessages()) > 0);
      },
    },
    {
      name: "apply: Fetch's answers come late",
      phases: APPLYING,
      strike: async (scene) => {
        scene.links
          .to("kafka")
          .judge(({ direction, kind }) => (direction === "to-client" && kind === "Fetch" ? { afterMs: 700 } : "pass"));
        await scene.letGo();
        await scene.transactions(MEANWHILE);
        scene.links.to("kafka").heal();
      },
    },
  ];
}

/** Lets `rule` lose messages until it has lost `times`. */
async function losing(scene: Scene, server: LinkName, times: number, rule: Rule): Promise<void> {
  let lost = 0;
  scene.links.to(server).judge((message, client, connection): Verdict => {
    const verdict = lost < times ? rule(message, client, connection) : "pass";
    if (verdict === "lose") lost++;
    return verdict;
  });
  await scene.letGo();
  await scene.until(`${times} messages to be lost`, async () => lost >= times);
  scene.links.to(server).heal();
}

/** Processes that start have to ask the registry, so those that ask it are started anew while it fails. */
function registry(): Fault[] {
  const fault = (name: string, verdict: Verdict, phases: readonly Phase[], quick: readonly Phase[] = []): Fault => ({
    name: `registry ${name}`,
    phases,
    quick,
    strike: async (scene) => {
      let asked = 0;
      scene.links.to("registry").judge(({ direction }) => {
        if (direction === "to-client") return "pass";
        asked++;
        return verdict;
      });
      for (const role of ["capture", "apply"]) await scene.run.killRole(role);
      await scene.letGo();
      await scene.until("the registry to be asked", async () => asked > 2);
      scene.links.to("registry").heal();
    },
  });
  return [
    fault("answers 500", answering("500 Internal Server Error"), ["starting", "in-sync"], ["in-sync"]),
    fault("answers 503", answering("503 Service Unavailable"), ["in-sync"]),
    fault("takes seconds", { afterMs: 4_000 }, ["in-sync"]),
  ];
}

function answering(status: string): Verdict {
  const body = JSON.stringify({ error_code: Number(status.slice(0, 3)), message: status });
  const head = ["content-type: application/json", `content-length: ${body.length}`, "connection: close"];
  return { answer: Buffer.from([`HTTP/1.1 ${status}`, ...head, "", body].join("\r\n")) };
}

/** A second process of apply takes partitions over in the middle of a transaction of 20,000 changes, and gives them back. */
function group(): Fault[] {
  const fault = (name: string, quick: readonly Phase[], signal: NodeJS.Signals): Fault => ({
    name,
    phases: APPLYING,
    quick,
    strike: async (scene) => {
      const { migration } = scene;
      await migration.source.run("INSERT INTO ticks SELECT 1 + n % 5, nextval('tick'), 2 FROM generate_series(1, 20000) AS n");
      const other = migration.run("--role", "apply");
      await scene.letGo();
      await scene.until("a second process of apply", async () => (await applying(scene)) > 1);
      await scene.transactions(MEANWHILE);
      other.signal(signal);
      await other.ended;
      await scene.transactions(MEANWHILE);
    },
  });
  return [
    fault("a second apply comes in a big transaction, and leaves", ["in-sync"], "SIGTERM"),
    fault("a second apply comes in a big transaction, and is killed", [], "SIGKILL"),
  ];
}

async function applying({ migration }: Scene): Promise<number> {
  const sql = "SELECT count(*) FROM rehouse.process WHERE role = 'apply' AND beat_at > now() - interval '3 seconds'";
  return Number(await migration.target.value(sql));
}

function failpoints(): Fault[] {
  // Those of other verbs are not in `run`: test/cutover/killed.test.ts, test/contract/killed.test.ts and test/mirror/arm.test.ts.
  const inRun = Object.keys(FAILPOINTS).filter((name) => !/^(switch|contract|arm|disarm)\./.test(name));
  return inRun.flatMap((name) => {
    const place = PLACES.find(({ of }) => of.test(name));
    if (place === undefined) throw new Error(`no phase is named for the failpoint ${name}`);
    const quick = Object.entries(place.quick ?? {}).flatMap(([of, phase]) => (of === name ? [phase] : []));
    return (["exit", "error"] as const).map(
      (action): Fault => ({
        name: `${name} ${action === "exit" ? "dies" : "fails"}`,
        // A failure goes the same way in every phase; a death does not.
        phases: action === "exit" ? place.phases : place.phases.slice(-1),
        quick: action === "exit" ? quick : [],
        failpoints: `${name}=${action}`,
        strike: async (scene) => {
          await scene.letGo();
          await scene.until(`the failpoint ${name}`, async () => scene.run.said.includes(`failpoint ${name}=`));
        },
      }),
    );
  });
}
