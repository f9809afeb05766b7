/** A migration under load, held in a phase for something to happen to it there, and then seen to its end. */

import { Kafka, logLevel } from "kafkajs";
import { expect } from "vitest";
import {
  type Addresses,
  addresses,
  applyGateSql,
  Clients,
  Gate,
  gateSql,
  Migration,
  type RehouseProcess,
  TENANTS,
  waitUntil,
} from "../../support/index.ts";
import { AUDITED_FILE, auditedPairs, auditedSource, auditSql, expectNothingTwice, Tickers } from "./audit.ts";
import { Links } from "./links.ts";
import type { Phase } from "./phases.ts";

export type Where = { readonly at: Addresses; readonly tablespace: string };

const ITEMS_PER_TENANT = 150;
/** Most need a few seconds of it; a machine that has other work needs more. */
const IN_SYNC_WITHIN_MS = 240_000;
const GATED = TENANTS.flatMap((tenant) => [`shop_${tenant}.ticks`, `shop_${tenant}.counters`]);
/** The copy is held at a table that has a row whatever clients do: with none to copy nothing would come to the gate. */
const TARGET = `${auditSql()} CREATE TABLE shop_1.accounts (id int PRIMARY KEY, name text NOT NULL); ${gateSql("shop_1.accounts", 0)} ${applyGateSql(GATED)}`;

export class Scene implements AsyncDisposable {
  readonly migration: Migration;
  readonly links: Links;
  run: RehouseProcess;
  readonly #at: Addresses;
  readonly #gates: readonly Gate[];
  #load: { readonly clients: Clients; readonly tickers: Tickers } | undefined;
  #seed = 1;

  private constructor(migration: Migration, at: Addresses, links: Links, gates: readonly Gate[], run: RehouseProcess) {
    this.migration = migration;
    this.#at = at;
    this.links = links;
    this.#gates = gates;
    this.run = run;
  }

  /** `failpoints` are on from the first moment of the phase. */
  static async enter(
    phase: Phase,
    failpoints = "",
    { at, tablespace }: Where = { at: addresses(), tablespace: "" },
  ): Promise<Scene> {
    const links = await Links.open(at);
    const migration = await Migration.prepare({
      source: auditedSource(ITEMS_PER_TENANT),
      target: tablespace === "" ? TARGET : `${inTablespace(tablespace)} ${TARGET}`,
      file: AUDITED_FILE,
      at,
      through: links.addresses,
    });
    const gates = await closedIn(phase, migration);
    const environment: Record<string, string> = phase === "starting" ? { REHOUSE_FAILPOINTS: failpoints } : {};
    const scene = new Scene(migration, at, links, gates, migration.startWith(environment, "run", "--json"));
    try {
      scene.startLoad();
      await scene.#reach(phase);
      if (phase !== "starting" && failpoints !== "") await scene.again(failpoints);
      return scene;
    } catch (error) {
      await scene[Symbol.asyncDispose]();
      throw error;
    }
  }

  get isUnderLoad(): boolean {
    return this.#load !== undefined;
  }

  startLoad(): void {
    const { source } = this.migration;
    this.#load = { clients: new Clients(source, { seed: this.#seed++, count: 1 }), tickers: new Tickers(source, { count: 1 }) };
  }

  /** `run` is ended in good order and begun again. */
  async again(failpoints: string): Promise<void> {
    await this.run.stop();
    this.run = this.migration.startWith({ REHOUSE_FAILPOINTS: failpoints }, "run", "--json");
  }

  /** Lets go of the phase: what happens from now on happens while it works. */
  async letGo(): Promise<void> {
    for (const gate of this.#gates) await gate.open();
  }

  /** While the clients commit `count` more transactions. */
  async transactions(count: number): Promise<void> {
    const { clients } = this.#loaded();
    const before = clients.committed;
    await this.until(`${count} more transactions`, async () => clients.committed >= before + count);
  }

  until(what: string, condition: () => Promise<boolean>, withinMs?: number): Promise<void> {
    return this.migration.until(this.run, what, condition, withinMs);
  }

  /** To the end of the way: in-sync, all that was committed applied, both sides equal, and nothing applied twice. */
  async expectAllIsWell(): Promise<void> {
    await this.letGo();
    await this.migration.inSync(this.run, { withinMs: IN_SYNC_WITHIN_MS });
    await this.transactions(20);
    await this.#stopLoad();
    await this.migration.drained(this.run);
    await this.migration.expectEqual(auditedPairs());
    await expectNothingTwice(this.migration);
    expect(await this.migration.target.rows("SELECT tenant, stopped FROM rehouse.tenant WHERE stopped IS NOT NULL")).toEqual([]);
  }

  /** How many messages of the changes topic say what one before them has said. */
  async repeatedMessages(): Promise<number> {
    const topic = `rehouse.${this.migration.name}.changes`;
    const kafka = new Kafka({ brokers: [...this.#at.kafkaBrokers], logLevel: logLevel.NOTHING });
    const admin = kafka.admin();
    const consumer = kafka.consumer({ groupId: `${topic}.audit` });
    try {
      await Promise.all([admin.connect(), consumer.connect()]);
      const ends = new Map((await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => [partition, BigInt(high)]));
      for (const [partition, high] of ends) if (high === 0n) ends.delete(partition);
      const seen = new Set<string>();
      let repeated = 0;
      await consumer.subscribe({ topic, fromBeginning: true });
      await consumer.run({
        autoCommit: false,
        eachMessage: async ({ partition, message }) => {
          const headers = ["position", "tenant", "op"].map((name) => message.headers?.[name]?.toString());
          const said = [partition, message.key?.toString("hex"), ...headers].join(" ");
          if (seen.has(said)) repeated++;
          seen.add(said);
          if (BigInt(message.offset) + 1n >= (ends.get(partition) ?? 0n)) ends.delete(partition);
        },
      });
      await waitUntil(() => ends.size === 0, { deadlineMs: 30_000, what: "the topic's end" });
      return repeated;
    } finally {
      await Promise.all([consumer.disconnect(), admin.disconnect()]);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stopLoad().catch(() => undefined);
    await this.letGo();
    this.links.heal();
    await this.migration[Symbol.asyncDispose]();
    await this.links[Symbol.asyncDispose]();
  }

  async #stopLoad(): Promise<void> {
    const load = this.#load;
    this.#load = undefined;
    await Promise.all([load?.clients.stop(), load?.tickers.stop()]);
  }

  #loaded() {
    if (this.#load === undefined) throw new Error("no client works at the moment");
    return this.#load;
  }

  async #reach(phase: Phase): Promise<void> {
    const [gate] = this.#gates;
    if (phase === "starting") await this.until("a role", async () => this.run.roles().length > 0);
    else if (phase === "in-sync") await this.migration.inSync(this.run);
    else if (gate !== undefined) await this.until(`${phase} to come to its gate`, () => gate.isWaitedFor());
  }
}

/** For this session, which makes the first tables, and for those of Rehouse. */
function inTablespace(name: string): string {
  return `SET default_tablespace = ${name};
    DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_tablespace = ${name}', current_database()); END $$;`;
}

async function closedIn(phase: Phase, { target }: Migration): Promise<Gate[]> {
  if (phase === "backfilling") return [await Gate.close(target, "copy")];
  if (phase === "catching-up") return [await Gate.close(target, "apply")];
  return [];
}
