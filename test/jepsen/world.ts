/** A migration under random switches, reached through proxies that can be broken. It serves several seeds, one after the other. */

import type { Faults } from "../../stack/index.ts";
import { Links } from "../faults/support/links.ts";
import { type Addresses, Migration, type RehouseProcess, waitUntil } from "../support/index.ts";
import { type Home, LEDGER_SQL, Ledger, type Places } from "./clients.ts";
import { entriesAt, type Layout, ledgerFile, placesOf } from "./home.ts";

export const TENANTS = ["1", "2", "3"];

export class World implements AsyncDisposable {
  readonly migration: Migration;
  readonly links: Links;
  readonly places: Places;
  /** Of the servers; undefined: they are not ours to break. */
  readonly servers: Faults | undefined;
  run: RehouseProcess;

  private constructor(migration: Migration, links: Links, places: Places, servers: Faults | undefined) {
    this.migration = migration;
    this.links = links;
    this.places = places;
    this.servers = servers;
    this.run = migration.run();
  }

  static async begin(layout: Layout, at: Addresses, servers: Faults | undefined): Promise<World> {
    const links = await Links.open(at);
    const ids = TENANTS.map(Number);
    const migration = await Migration.prepare({
      source: LEDGER_SQL(ids),
      file: ledgerFile(layout, ids),
      at,
      through: links.addresses,
    });
    const world = new World(migration, links, placesOf(layout), servers);
    try {
      await migration.inSync(world.run);
      return world;
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Clients go straight to the servers: the network that breaks is the one of Rehouse. */
  ledger(seed: number, of: { readonly clients: number; readonly thinkMs: number }): Ledger {
    const urls = { source: this.migration.source.url, target: this.migration.databases.targetUrl };
    return new Ledger(urls, this.places, { tenants: TENANTS, seed, ...of });
  }

  /** Until it is up: `run` takes a server that is away at its start for a mistake, and another world may kill one at any moment. */
  async runAnew(): Promise<void> {
    const { source, target } = this.migration;
    const answer = async () => (await source.value("SELECT 1")) !== null && (await target.value("SELECT clock_timestamp()"));
    do {
      const begun = await waitUntil(answer, { deadlineMs: 60_000, what: "both databases to answer" });
      this.run = this.migration.run();
      const isUp = async () =>
        (await target.value("SELECT count(*) FROM rehouse.process WHERE started_at > $1", [begun])) !== "0";
      await waitUntil(async () => this.run.hasEnded || isUp(), { deadlineMs: 60_000, what: "run to be up" });
    } while (this.run.hasEnded && (await this.run.ended).code === 3);
  }

  until(what: string, condition: () => Promise<boolean>, withinMs?: number): Promise<void> {
    return this.migration.until(this.run, what, condition, withinMs);
  }

  /** Where the route says that the tenant lives. */
  async homeOf(tenant: string): Promise<Home> {
    const ask = () =>
      this.migration.target.value("SELECT coalesce(max(home), 'source') FROM rehouse.route WHERE tenant = $1", [tenant]);
    const home = await waitUntil(async () => (await ask()) ?? undefined, { deadlineMs: 60_000, what: "the target to be asked" });
    return home === "target" ? "target" : "source";
  }

  /** Another world may have killed the server at this moment. */
  entries(tenant: string, home: Home): ReturnType<typeof entriesAt> {
    const ask = () => entriesAt(this.migration, this.places, home, tenant);
    return waitUntil(ask, { deadlineMs: 60_000, what: "the tenant's home to be asked" });
  }

  /** No switch is left, and no tenant is fenced at either side. */
  async isSettled(): Promise<boolean> {
    const { source, target } = this.migration;
    const fenced = "SELECT count(*) FROM rehouse.fence WHERE state = 'fenced'";
    const left = [await target.value("SELECT count(*) FROM rehouse.switch"), await target.value(fenced)];
    const [hasFence] = await source.rows("SELECT FROM pg_tables WHERE schemaname = 'rehouse' AND tablename = 'fence'");
    return left.every((count) => count === "0") && (hasFence === undefined || (await source.value(fenced)) === "0");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.links.heal();
    await this.migration[Symbol.asyncDispose]();
    await this.links[Symbol.asyncDispose]();
  }
}
