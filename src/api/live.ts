/** Looks at the status for as long as somebody listens, and tells what has changed. */

import { setTimeout as delay } from "node:timers/promises";
import type { TenantStatus } from "../cli/documents.ts";
import { mapInSlices } from "../slices.ts";
import type { EventHub, Listener } from "./event-hub.ts";
import { problemOf } from "./problem.ts";
import type { Snapshot, Snapshots } from "./snapshot.ts";
import type { TenantsChanged } from "./status-schema.ts";
import { summarize } from "./tenants.ts";

/** Less often than a person's eye would ask for; looks of many tenants rest for longer. */
const LOOK_EVERY_MS = 1_000;
/** Whoever lost the connection comes back within it, and goes on where it was. */
const LINGER_MS = 60_000;
/** Tenant → {@link marksOf}. */
type Marks = ReadonlyMap<string, string>;

/** Where more than this change at once (a wave that begins), the list is asked for again. */
const MOST_TENANTS = 200;

export class Live {
  readonly #hub: EventHub;
  readonly #snapshots: Snapshots;
  readonly #signal: AbortSignal;
  #isLooking = false;
  #lastHeardAt = 0;

  constructor(of: { readonly hub: EventHub; readonly snapshots: Snapshots; readonly signal: AbortSignal }) {
    this.#hub = of.hub;
    this.#snapshots = of.snapshots;
    this.#signal = of.signal;
  }

  /** Resolves to what takes the listener off again. */
  listen(listener: Listener, lastEventId: string | undefined): () => void {
    const leave = this.#hub.listen(listener, lastEventId);
    if (!this.#isLooking) {
      this.#isLooking = true;
      void this.#look();
    }
    return leave;
  }

  async #look(): Promise<void> {
    let marks: Marks | undefined;
    let trouble: string | undefined;
    this.#lastHeardAt = performance.now();
    while (!this.#signal.aborted) {
      if (this.#hub.listeners > 0) this.#lastHeardAt = performance.now();
      else if (performance.now() - this.#lastHeardAt > LINGER_MS) break;
      try {
        const snapshot = await this.#snapshots.renewed();
        marks = await this.#tell(snapshot, marks);
        trouble = undefined;
      } catch (error) {
        const { problem } = problemOf(error);
        // Once, and not every second for as long as it lasts.
        if (problem.what !== trouble && !this.#signal.aborted) this.#hub.publish("problem", problem);
        trouble = problem.what;
      }
      await delay(Math.max(LOOK_EVERY_MS, this.#snapshots.restMs), undefined, { signal: this.#signal }).catch(() => undefined);
    }
    // Nothing is waited for since it was seen that nobody listens: whoever comes from now on has it looked for anew.
    this.#hub.forget();
    this.#isLooking = false;
  }

  async #tell({ status }: Snapshot, before: Marks | undefined): Promise<Marks> {
    this.#hub.publish("status", summarize(status));
    const marks = new Map(await mapInSlices(status.tenants, (tenant): [string, string] => [tenant.tenant, marksOf(tenant)]));
    if (before === undefined) return marks;
    const changed = status.tenants.filter(({ tenant }) => marks.get(tenant) !== before.get(tenant));
    const gone = [...before.keys()].filter((tenant) => !marks.has(tenant)).length;
    const event: TenantsChanged = { count: changed.length + gone, tenants: changed.slice(0, MOST_TENANTS) };
    if (event.count > 0) this.#hub.publish("tenants", event);
    return marks;
  }
}

/** What about a tenant is an event. Its rows, lag and changes move with every look. */
function marksOf({ phase, stopped, held, route, verified, foreignWrites, lateWrites, soak, reverse }: TenantStatus): string {
  return [
    phase,
    stopped?.code,
    stopped?.position,
    held,
    route?.home,
    route?.generation,
    verified?.differences,
    foreignWrites,
    lateWrites,
    soak?.tripped.length,
    soak?.problems.length,
    reverse?.phase,
  ].join("|");
}
