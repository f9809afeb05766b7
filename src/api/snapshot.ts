/**
 * The status as it was a moment ago. One look at the state tables serves all who ask: with 10,000 tenants a look takes a tenth of a second of both
 * databases, and many may ask at once.
 */

import type { StatusDocument, TenantStatus } from "../cli/documents.ts";
import { mapInSlices } from "../slices.ts";
import { RefusedRequest } from "./problem.ts";

export type Snapshot = {
  readonly status: StatusDocument;
  readonly tenants: ReadonlyMap<string, TenantStatus>;
  /** The document as it is sent: made once, when it is first asked for. */
  json(): Promise<Buffer>;
};

/** A status that is older is taken anew behind the answer; one that is older by far is waited for. */
const FRESH_MS = 500;
/** Looks take a fifth of the time at most, however long one is. */
const REST = 4;

type Taken = { readonly snapshot: Snapshot; readonly beganAt: number; readonly tookMs: number };

export class Snapshots {
  readonly #read: (signal: AbortSignal) => Promise<StatusDocument>;
  readonly #signal: AbortSignal;
  #newest: Taken | undefined;
  #underWay: Promise<Taken> | undefined;
  /** Looks that began before it do not count. */
  #validFrom = 0;

  constructor(read: (signal: AbortSignal) => Promise<StatusDocument>, signal: AbortSignal) {
    this.#read = read;
    this.#signal = signal;
  }

  /** How long to wait between two looks. */
  get restMs(): number {
    return Math.max(FRESH_MS, REST * (this.#newest?.tookMs ?? 0));
  }

  async current(): Promise<Snapshot> {
    const newest = this.#newest;
    const ageMs = newest === undefined || newest.beganAt < this.#validFrom ? Number.POSITIVE_INFINITY : now() - newest.beganAt;
    if (newest === undefined || ageMs > REST * this.restMs) return this.renewed();
    // Its failure is met by whoever comes when this one is too old.
    if (ageMs > this.restMs) void this.#look().catch(() => undefined);
    return newest.snapshot;
  }

  /** A look that begins now or is under way. */
  async renewed(): Promise<Snapshot> {
    const taken = await this.#look();
    return taken.beganAt >= this.#validFrom ? taken.snapshot : (await this.#look()).snapshot;
  }

  /** After something has been changed: whoever asks from now on sees it. */
  invalidate(): void {
    this.#validFrom = now();
  }

  #look(): Promise<Taken> {
    this.#underWay ??= this.#take().finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }

  async #take(): Promise<Taken> {
    const beganAt = now();
    const status = await this.#read(this.#signal);
    this.#newest = { snapshot: snapshotOf(status), beganAt, tookMs: now() - beganAt };
    return this.#newest;
  }
}

/** REHOUSE_NOT_FOUND for a name that the migration does not have. */
export function knownTenant({ tenants, status }: Snapshot, name: string): TenantStatus {
  const tenant = tenants.get(name);
  if (tenant !== undefined) return tenant;
  throw new RefusedRequest("REHOUSE_NOT_FOUND", {
    what: `${status.migration} has no tenant ${name}`,
    fix: "GET /api/v1/tenants has them",
  });
}

export function requireKnown(snapshot: Snapshot, names: readonly string[]): void {
  for (const name of names) knownTenant(snapshot, name);
}

function snapshotOf(status: StatusDocument): Snapshot {
  let json: Promise<Buffer> | undefined;
  return {
    status,
    tenants: new Map(status.tenants.map((tenant) => [tenant.tenant, tenant])),
    json: () => {
      json ??= jsonOf(status);
      return json;
    },
  };
}

/** The bytes of 10,000 tenants take 15 ms of the thread, so others go in between. */
async function jsonOf({ tenants, ...rest }: StatusDocument): Promise<Buffer> {
  const [head, texts] = [JSON.stringify(rest), await mapInSlices(tenants, (tenant) => JSON.stringify(tenant))];
  return Buffer.from(`${head.slice(0, -1)},"tenants":[${texts.join()}]}`);
}

function now(): number {
  return performance.now();
}
