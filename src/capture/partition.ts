/**
 * Which partition of the changes topic a unit's changes go to: a tenant's by Kafka's own default (murmur2 of the key), so that any client
 * finds it again; the shared tables' is one more, the last; a move without tenants has a single one.
 */

import { isPooledAtTarget, type Mapping } from "../model/mapping.ts";

/** Partitions that tenants are spread over, given what the migration file asks for. */
export function tenantPartitions(mapping: Mapping, configured: number): number {
  return isWhole(mapping) || hasRowsOfSeveralTenants(mapping) ? 1 : configured;
}

/** Partitions that the changes topic must have. `partitions`: those that tenants are spread over. */
export function topicPartitions(mapping: Mapping, partitions: number): number {
  return isWhole(mapping) ? 1 : partitions + 1;
}

export function partitionOfTenant(tenant: Uint8Array, partitions: number): number {
  return (murmur2(tenant) & 0x7fff_ffff) % partitions;
}

/** A tenant's, the shared unit's or the whole unit's partition. */
export function partitionOf(
  unit: { readonly kind: "tenant"; readonly tenant: string } | { readonly kind: "shared" | "whole" },
  partitions: number,
): number {
  if (unit.kind === "tenant") return partitionOfTenant(Buffer.from(unit.tenant), partitions);
  return unit.kind === "shared" ? partitions : 0;
}

/**
 * Where a table of all tenants at the target has a key without the tenant, a row that changes its tenant stays the same row there: one
 * tenant's delete and the other's insert are about one key, so they need one order. (A table in place has no deletes and inserts.)
 */
function hasRowsOfSeveralTenants(mapping: Mapping): boolean {
  return mapping.tables.some(
    (table) =>
      (table.inPlace === undefined &&
        table.tenantColumn !== undefined &&
        isPooledAtTarget(mapping, table) &&
        !table.key.includes(table.tenantColumn)) ||
      table.fixed?.inKey === false,
  );
}

function isWhole(mapping: Mapping): boolean {
  return mapping.tables.some((table) => table.kind === "whole");
}

/** The 32-bit MurmurHash2 of Kafka's Java client (org.apache.kafka.common.utils.Utils.murmur2), as a signed number. */
export function murmur2(data: Uint8Array): number {
  const length = data.length;
  const m = 0x5bd1e995;
  let h = 0x9747b28c ^ length;
  const whole = length & ~3;
  for (let i = 0; i < whole; i += 4) {
    let k = (data[i] ?? 0) | ((data[i + 1] ?? 0) << 8) | ((data[i + 2] ?? 0) << 16) | ((data[i + 3] ?? 0) << 24);
    k = Math.imul(k, m);
    k ^= k >>> 24;
    k = Math.imul(k, m);
    h = Math.imul(h, m) ^ k;
  }
  if (length > whole) {
    for (let i = length - 1; i >= whole; i -= 1) h ^= (data[i] ?? 0) << ((i - whole) * 8);
    h = Math.imul(h, m);
  }
  h ^= h >>> 13;
  h = Math.imul(h, m);
  return h ^ (h >>> 15);
}
