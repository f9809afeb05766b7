/** From a tenant's bytes in a row to where its changes go. Asked for every change, so it makes no string for a tenant that it has seen. */

import { partitionOfTenant } from "./partition.ts";

/** The tenants that move: all there are, also new ones, or the listed ones. */
export type MovingTenants = "all" | ReadonlySet<string>;

export type Route = {
  readonly partition: number;
  /** The `tenant` header, the same buffer for all of the tenant's messages. */
  readonly header: Buffer;
  readonly moves: boolean;
};

/** About 30 MB. A table of more tenants than this starts the cache anew now and then, which costs a microsecond a change. */
const CACHED_ROUTES = 100_000;

export class TenantRoutes {
  readonly #moving: MovingTenants;
  readonly #partitions: number;
  readonly #byHash = new Map<number, Route[]>();
  #cached = 0;
  #last: Route | undefined;

  constructor(moving: MovingTenants, partitions: number) {
    this.#moving = moving;
    this.#partitions = partitions;
  }

  of(bytes: Buffer, start: number, end: number): Route {
    if (this.#last !== undefined && equals(this.#last.header, bytes, start, end)) return this.#last;
    const hash = fnv(bytes, start, end);
    const found = this.#byHash.get(hash)?.find((route) => equals(route.header, bytes, start, end));
    this.#last = found ?? this.#add(hash, Buffer.from(bytes.subarray(start, end)));
    return this.#last;
  }

  #add(hash: number, header: Buffer): Route {
    if (this.#cached >= CACHED_ROUTES) {
      this.#byHash.clear();
      this.#cached = 0;
    }
    const moves = this.#moving === "all" || this.#moving.has(header.toString());
    const route: Route = { partition: partitionOfTenant(header, this.#partitions), header, moves };
    this.#byHash.set(hash, [...(this.#byHash.get(hash) ?? []), route]);
    this.#cached += 1;
    return route;
  }
}

function equals(header: Buffer, bytes: Buffer, start: number, end: number): boolean {
  if (header.length !== end - start) return false;
  for (let i = 0; i < header.length; i += 1) if (header[i] !== bytes[start + i]) return false;
  return true;
}

/** FNV-1a: short, and good enough for keys of a few bytes. */
function fnv(bytes: Buffer, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i += 1) hash = Math.imul(hash ^ (bytes[i] ?? 0), 0x01000193);
  return hash;
}
