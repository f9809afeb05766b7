import { once } from "node:events";
import { Agent, request } from "node:http";
import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Bench } from "../bench.ts";
import { largestOf, MemoryMeter } from "../meters/memory.ts";
import type { Migration } from "../migration.ts";
import { type Result, rounded } from "../report.ts";
import { DEADLINE_MS, Scene } from "../scene.ts";
import { ask } from "../servers/postgres.ts";
import { waitUntil } from "../servers/wait.ts";
import { TENANTS } from "../workload/events.ts";
import { percentile } from "../workload/writers.ts";

const TENANTS_OF_API = 10_000;
/** Below the limit of an address, so that no answer is a refusal. */
const PER_SECOND = 40;
/** Not counted: the first looks at the status find code that is not compiled yet. */
const WARM_UP = 3 * PER_SECOND;

const PATHS = {
  status: "/api/v1/status",
  summary: "/api/v1/summary",
  tenants: "/api/v1/tenants?sort=lag&order=desc&limit=100",
} as const;
type Variant = keyof typeof PATHS;

/** What the API answers with 10,000 tenants, while somebody listens to its events: from the question to the answer's last byte. */
export async function benchApi(bench: Bench): Promise<Result[]> {
  await using scene = new Scene(bench);
  const source = await scene.source(2 * TENANTS);
  const migration = await scene.migration(source);
  await migration.runUntilInSync();
  await migration.verify();
  await multiply(migration);

  using memory = new MemoryMeter(bench.programs.mark);
  const port = await freePort();
  const serving = migration.serve(`127.0.0.1:${port}`);
  const client = new Client(port);
  await serving.during(
    waitUntil(
      () =>
        client.get("/livez").then(
          () => true,
          () => false,
        ),
      { deadlineMs: DEADLINE_MS, what: "the API to listen" },
    ),
  );
  const listening = client.listen();
  const took: Record<Variant, number[]> = { status: [], summary: [], tenants: [] };
  const variants = Object.keys(PATHS).filter((name): name is Variant => Object.hasOwn(PATHS, name));
  const count = WARM_UP + PER_SECOND * bench.options.seconds;
  bench.say(`asking the API ${PER_SECOND} times a second for ${bench.options.seconds} s, ${TENANTS_OF_API} tenants`);
  const beganAt = performance.now();
  const asked = Array.from({ length: count }, async (_, n) => {
    const variant = variants[n % variants.length] ?? "status";
    const dueAt = beganAt + (n * 1_000) / PER_SECOND;
    await delay(Math.max(0, dueAt - performance.now()));
    await client.get(PATHS[variant]);
    // From when it was due: a question that waits for the one before is a slow one, too.
    if (n >= WARM_UP) took[variant].push(performance.now() - dueAt);
  });
  await serving.during(Promise.all(asked));
  listening.close();
  await serving.stop();
  const rssMb = memory.largestMb();
  const answers = variants.map((variant) => ({
    bench: "api",
    variant,
    value: rounded(percentile(took[variant], 0.5)),
    unit: "ms, p50",
    ...{ peer: null, peerValue: null, ratio: null, cpuSeconds: null },
    rssMb: rssMb === null ? null : rounded(rssMb),
    p50Ms: rounded(percentile(took[variant], 0.5)),
    p99Ms: rounded(percentile(took[variant], 0.99)),
  }));
  return [...answers, await memoryOfRoles(bench, migration)];
}

/** The largest of the processes of a `run`, which follow as many tenants. */
async function memoryOfRoles(bench: Bench, migration: Migration): Promise<Result> {
  using memory = new MemoryMeter(bench.programs.mark);
  const working = migration.run();
  await working.during(migration.running(DEADLINE_MS));
  await working.during(delay(1_000 * bench.options.seconds));
  await working.stop();
  return largestOf(bench, { bench: "api", variant: "roles" }, memory.peaks());
}

/** Tenants that are there as far as the state tables say: the API asks for nothing else. */
async function multiply({ name, targetUrl }: Migration): Promise<void> {
  for (const table of ["tenant", "compared_unit"])
    await ask(
      targetUrl,
      `INSERT INTO rehouse.${table}
       SELECT (jsonb_populate_record(t, jsonb_build_object('tenant', 'tenant-' || n))).* FROM rehouse.${table} AS t, generate_series(1, $2::int) AS n
        WHERE t.migration = $1 AND t.tenant = '1'`,
      [name, TENANTS_OF_API - TENANTS],
    );
  await ask(
    targetUrl,
    `INSERT INTO rehouse.route (migration, tenant, home, generation) SELECT migration, tenant, 'source', 2 FROM rehouse.tenant WHERE migration = $1`,
    [name],
  );
  await ask(targetUrl, "ANALYZE rehouse.tenant, rehouse.compared_unit, rehouse.route");
}

/** As a dashboard asks: connections that stay. */
class Client {
  readonly #port: number;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(port: number) {
    this.#port = port;
  }

  /** Resolves when the answer is there whole; rejects for one that is none. */
  get(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const asked = request({ host: "127.0.0.1", port: this.#port, path, agent: this.#agent }, (response) => {
        response.on("error", reject).on("end", () => {
          if (response.statusCode === 200) resolve();
          else reject(new Error(`${path} answered ${response.statusCode}`));
        });
        response.resume();
      });
      asked.on("error", reject).end();
    });
  }

  listen(): { close(): void } {
    const asked = request({ host: "127.0.0.1", port: this.#port, path: "/api/v1/events" }, (response) => {
      response.on("error", () => {}).resume();
    });
    asked.on("error", () => {}).end();
    return { close: () => asked.destroy() };
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("a server has no port");
  return address.port;
}
