import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { until } from "../stack/index.ts";
import type { Bench } from "./bench.ts";
import { ask } from "./servers/postgres.ts";
import type { Programs, Running } from "./servers/programs.ts";
import { waitUntil } from "./servers/wait.ts";
import { EVENTS, TENANTS } from "./workload/events.ts";

const verified = z.object({
  equal: z.boolean(),
  tenants: z.array(z.object({ tables: z.array(z.object({ differences: z.array(z.unknown()) })) })),
});

const switchedDocument = z.object({
  tenants: z.array(
    z.object({
      tenant: z.string(),
      outcome: z.literal("switched"),
      fencedMs: z.number(),
      switchedAt: z.string(),
      drainMs: z.number(),
      verifyMs: z.number(),
      waitedForWritersMs: z.number(),
    }),
  ),
});

export type Switched = z.infer<typeof switchedDocument>["tenants"][number];

export type Role = "control" | "capture" | "backfill" | "apply" | "reconcile";

/** A migration of the workload's table with all tenants into a database of the same layout, driven by the command line alone. */
export class Migration {
  readonly name: string;
  readonly targetUrl: string;
  readonly #programs: Programs;
  readonly #file: string;
  /** What Node is started with before the verb. */
  readonly #command: readonly string[];
  #begun = false;

  private constructor(programs: Programs, name: string, targetUrl: string, file: string, command: readonly string[]) {
    this.#programs = programs;
    this.#command = command;
    this.name = name;
    this.targetUrl = targetUrl;
    this.#file = file;
  }

  static async declare({ stack, programs, options, entry }: Bench, sourceUrl: string, targetUrl: string): Promise<Migration> {
    const name = `bench-${randomBytes(4).toString("hex")}`;
    const file = join(programs.folder, `${name}.yaml`);
    // JSON is YAML.
    const declared = {
      migration: name,
      source: sourceUrl,
      target: targetUrl,
      kafka: { brokers: stack.kafkaBrokers },
      registry: { url: stack.registryUrl },
      tenants: { column: "tenant_id", move: "all" },
      tables: { [EVENTS]: {} },
    };
    await writeFile(file, JSON.stringify(declared), { mode: 0o600 });
    const profiling = options.profile === undefined ? [] : ["--cpu-prof", "--cpu-prof-dir", options.profile];
    // Roles are started with the arguments of their parent.
    return new Migration(programs, name, targetUrl, file, [...profiling, entry]);
  }

  /** Also the publication's name; see src/capture/slot.ts. */
  get slot(): string {
    return `rehouse_${this.name.replaceAll("-", "_")}`;
  }

  /** The consumer group that shares the partitions out. */
  get group(): string {
    return `rehouse.${this.name}`;
  }

  /** `rehouse run`; without roles all of them, each a process of its own. */
  run(roles: readonly Role[] = [], env: Readonly<Record<string, string>> = {}): Running {
    return this.#start(["run", "--json", ...roles.flatMap((role) => ["--role", role])], env);
  }

  /** `rehouse serve` on `address`, without the work. */
  serve(address: string): Running {
    return this.#start(["serve", "--json", "--listen", address]);
  }

  /** Resolves when every tenant is in-sync and every process has ended. */
  async runUntilInSync(): Promise<void> {
    await this.#start(["run", "--json", "--until", "in-sync"]).ended;
  }

  /** `rehouse verify`; resolves to whether it called both sides equal, and how long it took, the start of its process included. */
  async verify(): Promise<{ readonly isEqual: boolean; readonly differences: number; readonly seconds: number }> {
    const began = performance.now();
    const output = await this.#start(["verify", "--json"], {}, [0, 1]).ended;
    const seconds = (performance.now() - began) / 1000;
    const { equal, tenants } = verified.parse(JSON.parse(output));
    const differences = tenants.flatMap(({ tables }) => tables.flatMap((table) => table.differences)).length;
    return { isEqual: equal, differences, seconds };
  }

  /** `rehouse cutover` or `rollback` of these tenants; fails when one was not switched. */
  async switch(verb: "cutover" | "rollback", tenants: readonly string[]): Promise<Switched[]> {
    const output = await this.#start([verb, "--json", ...tenants.flatMap((tenant) => ["--tenant", tenant])], {}, [0, 1]).ended;
    // The document is a line among the warnings.
    const document = output.split("\n").find((line) => line.startsWith("{"));
    return switchedDocument.parse(JSON.parse(document ?? output)).tenants;
  }

  /** When the first of its switches was begun, by the journal: all before it was made ready by then. Milliseconds since 1970. */
  async firstSwitchMs(): Promise<number> {
    const [row] = await ask(
      this.targetUrl,
      "SELECT 1000 * extract(epoch FROM min(at)) AS ms FROM rehouse.journal WHERE migration = $1 AND event = 'switch-begun'",
      [this.name],
    );
    return Number(row?.["ms"]);
  }

  /** Takes away what it made at the source, in Kafka and in the registry; nothing where it never ran. */
  async cancel(): Promise<void> {
    if (!this.#begun) return;
    await this.#start(["cancel", "--yes", "--json"]).ended;
  }

  /** Resolves when every tenant is copied and has its keys. */
  async copied(deadlineMs: number): Promise<void> {
    await this.#tenantsIn(["catching-up", "in-sync"], deadlineMs);
  }

  async inSync(deadlineMs: number): Promise<void> {
    await this.#tenantsIn(["in-sync"], deadlineMs);
  }

  /** Resolves when capture and apply have said that they are at work. */
  async running(deadlineMs: number): Promise<void> {
    await waitUntil(
      async () => {
        const [row] = await ask(
          this.targetUrl,
          `SELECT count(DISTINCT role) AS roles FROM rehouse.process
            WHERE migration = $1 AND role IN ('capture', 'apply') AND beat_at > now() - interval '2 seconds'`,
          [this.name],
        );
        return row?.["roles"] === "2";
      },
      { deadlineMs, what: `capture and apply of ${this.name} to run` },
    );
  }

  /** Seconds from the moment that tenants were planned to the moment that all were copied, compared and had their keys, by the journal. */
  async backfillSeconds(): Promise<number> {
    const [row] = await ask(
      this.targetUrl,
      `SELECT extract(epoch FROM max(at) FILTER (WHERE event = 'catching-up') - min(at) FILTER (WHERE event = 'planned')) AS seconds
         FROM rehouse.journal WHERE migration = $1 AND tenant IS NOT NULL`,
      [this.name],
    );
    const seconds = Number(row?.["seconds"] ?? Number.NaN);
    if (!(seconds > 0)) throw new Error(`the journal of ${this.name} does not tell how long the backfill took`);
    return seconds;
  }

  /** Changes applied so far, over all lanes. */
  async appliedChanges(): Promise<number> {
    const [row] = await ask(
      this.targetUrl,
      "SELECT coalesce(sum(changes), 0) AS changes FROM rehouse.lane WHERE migration = $1",
      [this.name],
    );
    return Number(row?.["changes"]);
  }

  async #tenantsIn(phases: readonly string[], deadlineMs: number): Promise<void> {
    // The state tables come with the migration: a question that fails is asked again.
    await until(
      async () => {
        const [row] = await ask(
          this.targetUrl,
          "SELECT count(*) AS there FROM rehouse.tenant WHERE migration = $1 AND phase = ANY ($2)",
          [this.name, phases],
        );
        return Number(row?.["there"]) === TENANTS;
      },
      { deadlineMs, what: `all tenants of ${this.name} to be ${phases.join(" or ")}`, everyMs: 50 },
    );
  }

  /** `exits`: the exit codes that are an answer, not a failure. */
  #start(args: readonly string[], env: Readonly<Record<string, string>> = {}, exits: readonly number[] = [0]): Running {
    this.#begun = true;
    const variables = { ...this.#programs.markVariable, ...env };
    return this.#programs.start(process.execPath, [...this.#command, ...args, "-f", this.#file], variables, exits);
  }
}
