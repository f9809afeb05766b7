/** What can be done with a tenant's lock: what is written of it under the lock is true, since no writer is in flight. */

import { optional, text } from "../catalog/fields.ts";
import { RehouseError } from "../errors.ts";
import type { Row, Session } from "../ports.ts";
import { makeFunctions } from "./functions.ts";
import { type FenceState, type Generation, type Home, homeHere, lockState, readTables, stateOf } from "./state.ts";

/**
 * Held by a session of its own: it ends with the session, and then writers go on. Every method rejects once the session is lost, so what one of them
 * resolves to was true with no writer in between since the lock was had.
 */
export interface FenceLock {
  /** How long new writers waited for the ones that were in flight. */
  readonly waitedForWritersMs: number;
  /** What the tenant's row said when the lock was had, and says now. `fenced` from the start: a switch was left in its middle. */
  readonly state: FenceState;
  /** The session that holds the lock, for markers. */
  readonly session: Session;
  /** From now on writers are refused even without the lock: before the switch's point of no return. The generation is beyond `above`. */
  fence(home: Home, above?: Generation): Promise<Generation>;
  /** After the point of no return. */
  moved(): Promise<void>;
  /** The tenant has come back: its writers pass once the lock is released. */
  reopen(above?: Generation): Promise<Generation>;
  /** Lets go. A fence that was not followed by `moved` is taken back, and writers go on as if nothing had happened. */
  release(): Promise<void>;
  /** Lets go of the lock and of nothing else, where nobody knows whether the point of no return was passed: a fence stays for who comes to know. */
  abandon(): Promise<void>;
}

export class SessionLock implements FenceLock {
  readonly session: Session;
  readonly waitedForWritersMs: number;
  readonly #migration: string;
  readonly #tenant: string;
  readonly #signal: string;
  #state: FenceState;

  constructor(
    session: Session,
    of: { readonly migration: string; readonly tenant: string; readonly row: Row; readonly waitedForWritersMs: number },
  ) {
    this.session = session;
    this.waitedForWritersMs = of.waitedForWritersMs;
    this.#migration = of.migration;
    this.#tenant = of.tenant;
    this.#signal = text(of.row, "signal");
    this.#state = stateOf(of.row);
  }

  get state(): FenceState {
    return this.#state;
  }

  /** Whoever opened the tenant may have died before the signal said so: writers passed, but had to look at the row. */
  async mend(row: Row): Promise<void> {
    if (this.#state === "armed" && row["shown"] !== row["armed_generation"])
      await this.#showOpen(BigInt(text(row, "armed_generation")));
  }

  async fence(home: Home, above: Generation = 0n): Promise<Generation> {
    this.#require(["armed", "fenced"], "fenced");
    // The row first: a signal without its row would refuse writers, and nobody could say why.
    const generation = await this.#write("state = 'fenced', home = $4, generation = next.generation", above, home);
    this.#state = "fenced";
    await this.#show(-generation);
    return generation;
  }

  async moved(): Promise<void> {
    this.#require(["fenced", "moved"], "moved");
    await this.session.query(
      `UPDATE rehouse.fence SET state = 'moved', since = CASE state WHEN 'moved' THEN since ELSE clock_timestamp() END
        WHERE migration = $1 AND tenant = $2 RETURNING setval($3::regclass, -generation)`,
      [this.#migration, this.#tenant, this.#signal],
    );
    this.#state = "moved";
    // There writers go on, of the other kind, and need not look at the row.
    if ((await readTables(this.session, this.#migration)).some(({ inPlace }) => inPlace !== undefined))
      await this.#makeFunctions();
  }

  async reopen(above: Generation = 0n): Promise<Generation> {
    this.#require(["moved"], "opened again");
    const generation = await this.#write(
      "state = 'armed', home = $4, generation = next.generation, armed_generation = next.generation, reopened_at = clock_timestamp()",
      above,
      homeHere(this.#migration),
    );
    this.#state = "armed";
    await this.#showOpen(generation);
    return generation;
  }

  async release(): Promise<void> {
    try {
      if (this.#state === "fenced") await this.#takeBack();
    } finally {
      await this.session.close();
    }
  }

  async abandon(): Promise<void> {
    await this.session.close();
  }

  /** The signal first: once it is back, nobody asks the row. */
  async #takeBack(): Promise<void> {
    const of = [this.#migration, this.#tenant];
    const [row] = await this.session.query("SELECT armed_generation FROM rehouse.fence WHERE migration = $1 AND tenant = $2", of);
    await this.#show(BigInt(text(row ?? {}, "armed_generation")));
    await this.session.query(
      `UPDATE rehouse.fence SET state = 'armed', home = $3, generation = armed_generation, since = clock_timestamp()
        WHERE migration = $1 AND tenant = $2`,
      [...of, homeHere(this.#migration)],
    );
    this.#state = "armed";
  }

  async #write(what: string, above: Generation, home: Home): Promise<Generation> {
    const [row] = await this.session.query(
      `UPDATE rehouse.fence SET ${what}, since = clock_timestamp()
         FROM (SELECT setval('rehouse.fence_generation', greatest(nextval('rehouse.fence_generation'), $3::bigint + 1)) AS generation) AS next
        WHERE migration = $1 AND tenant = $2 RETURNING fence.generation`,
      [this.#migration, this.#tenant, String(above), home],
    );
    return BigInt(optional(row ?? {}, "generation") ?? notArmed(this.#tenant, "rehouse.fence"));
  }

  async #showOpen(generation: Generation): Promise<void> {
    await this.#show(generation);
    await this.#makeFunctions();
  }

  async #makeFunctions(): Promise<void> {
    await this.session.query("BEGIN");
    await lockState(this.session);
    await makeFunctions(this.session, this.#migration);
    await this.session.query("COMMIT");
  }

  /** Not transactional: every snapshot sees it at once. */
  async #show(value: bigint): Promise<void> {
    await this.session.query(`SELECT setval('${this.#signal}', ${value})`);
  }

  #require(states: readonly FenceState[], what: string): void {
    if (states.includes(this.#state)) return;
    throw new RehouseError("REHOUSE_INTERNAL", {
      what: `tenant ${this.#tenant} is ${this.#state}, so it cannot be ${what}`,
      where: `rehouse.fence, migration ${this.#migration}`,
      fix: "report this, with the journal of the migration",
    });
  }
}

export function notArmed(tenant: string, where: string): never {
  throw new RehouseError("REHOUSE_NOT_ARMED", { what: `tenant ${tenant} is not armed`, where, fix: "arm it, then try again" });
}
