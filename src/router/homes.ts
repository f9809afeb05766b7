/** What the router knows of where tenants live. A generation never goes back, whatever is heard in whatever order. */

import type { RouteEvent } from "./event.ts";

export type Home = {
  readonly side: "source" | "target";
  /** The tenant's own schema there, where it has one and was switched before. */
  readonly schema: string | undefined;
  /** 0: never switched. */
  readonly generation: number;
};

const NEVER_SWITCHED: Home = { side: "source", schema: undefined, generation: 0 };

export class Homes {
  readonly #known = new Map<string, Home>();
  readonly #waiting = new Map<string, Set<() => void>>();

  of(tenant: string): Home {
    return this.#known.get(tenant) ?? NEVER_SWITCHED;
  }

  learn({ tenant, home, schema, generation }: Omit<RouteEvent, "migration">): void {
    if (generation <= this.of(tenant).generation) return;
    this.#know(tenant, { side: home, schema, generation });
  }

  /**
   * What a fence said, which knows no generation of a route: taken for as long as nothing newer is heard. An event that comes late may lead
   * back to the old home; the fence there then says it again.
   */
  suspect(tenant: string, side: Home["side"]): void {
    const { generation, side: known, schema } = this.of(tenant);
    this.#know(tenant, { side, schema: side === known ? schema : undefined, generation });
  }

  /** Resolves once something new is known of the tenant, after `ms` at the latest. */
  async changed(tenant: string, ms: number): Promise<void> {
    const waiting = this.#waiting.get(tenant) ?? new Set();
    this.#waiting.set(tenant, waiting);
    await new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        waiting.delete(wake);
        if (waiting.size === 0 && this.#waiting.get(tenant) === waiting) this.#waiting.delete(tenant);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      waiting.add(wake);
    });
  }

  #know(tenant: string, home: Home): void {
    this.#known.set(tenant, home);
    for (const wake of [...(this.#waiting.get(tenant) ?? [])]) wake();
  }
}
