import { randomBytes } from "node:crypto";
import type { Bench } from "./bench.ts";
import { Migration } from "./migration.ts";
import { createDatabase, dropDatabase } from "./servers/postgres.ts";
import { fill } from "./workload/events.ts";

/** Longer than anything here takes at any sensible size; what stands still for as long has failed. */
export const DEADLINE_MS = 20 * 60_000;

/** The databases and migrations of one bench; all are gone after it. */
export class Scene implements AsyncDisposable {
  readonly #bench: Bench;
  readonly #releasers: (() => Promise<void>)[] = [];
  static readonly #open: Scene[] = [];

  constructor(bench: Bench) {
    this.#bench = bench;
    Scene.#open.push(this);
  }

  /** Clears up after a measurement that was given up in its middle. */
  static async closeAll(): Promise<void> {
    for (const scene of Scene.#open.splice(0).reverse()) await scene[Symbol.asyncDispose]();
  }

  /** A source with the workload's table, filled. */
  async source(rows: number): Promise<string> {
    const { say, stack } = this.#bench;
    say(`filling a source with ${rows.toLocaleString("en")} rows`);
    const url = await this.#database(stack.sourceUrl, "source");
    await fill(url, rows);
    return url;
  }

  /** An empty database on the target's server. */
  target(whose: string): Promise<string> {
    return this.#database(this.#bench.stack.targetUrl, whose);
  }

  /** A migration from the source into an empty database of its own. */
  async migration(sourceUrl: string): Promise<Migration> {
    const migration = await Migration.declare(this.#bench, sourceUrl, await this.target("rehouse"));
    // Slot, topic and schemas are in places that outlive the databases.
    this.later(() => migration.cancel());
    return migration;
  }

  /** `release` is called at the end, those that were given last first, whatever becomes of the others. */
  later(release: () => Promise<void>): void {
    this.#releasers.push(release);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const release of this.#releasers.splice(0).reverse()) {
      await release().catch((error: unknown) =>
        this.#bench.say(`left behind: ${error instanceof Error ? error.message : error}`),
      );
    }
    const index = Scene.#open.indexOf(this);
    if (index >= 0) Scene.#open.splice(index, 1);
  }

  async #database(serverUrl: string, whose: string): Promise<string> {
    const url = await createDatabase(serverUrl, `bench_${whose}_${randomBytes(4).toString("hex")}`);
    this.later(() => dropDatabase(url));
    return url;
  }
}
