/**
 * The messages of the routes topic: Avro behind the registry's five-byte header. Field order is the contract between the schema and the
 * encoder, both here. schemas/route.avsc and schemas/route-key.avsc are written from these.
 */

import { type NamedSchema, Slab } from "../envelope/index.ts";
import type { RouteChange } from "./route.ts";

const NAMESPACE = "rehouse.route";

export const ROUTE_KEY_SCHEMA: NamedSchema = named("RouteKey", "The tenant whose route the message is.", [
  { name: "tenant", type: "string" },
]);

export const ROUTE_SCHEMA: NamedSchema = named(
  "Route",
  "Where a tenant lives. Of two messages of a tenant the one with the higher generation holds, in whatever order they come.",
  [
    { name: "migration", type: "string" },
    { name: "tenant", type: "string" },
    { name: "home", type: { type: "enum", name: "Home", symbols: ["source", "target"] }, doc: "The side of the migration file." },
    { name: "schema", type: ["null", "string"], default: null, doc: "The tenant's own schema there; null where it shares one." },
    { name: "since", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "generation", type: "long", doc: "One more with each switch of the tenant." },
  ],
);

export function routesTopicName(migration: string): string {
  return `rehouse.${migration}.routes`;
}

export function encodeKey(schemaId: number, { tenant }: RouteChange): Buffer {
  const slab = new Slab(32 + 4 * tenant.length);
  slab.begin(32 + 4 * tenant.length);
  slab.schemaId(schemaId);
  slab.text(tenant);
  return slab.end();
}

export function encodeRoute(schemaId: number, { migration, tenant, home, schema, sinceMs, generation }: RouteChange): Buffer {
  const bound = 64 + 4 * (migration.length + tenant.length + (schema?.length ?? 0));
  const slab = new Slab(bound);
  slab.begin(bound);
  slab.schemaId(schemaId);
  slab.text(migration);
  slab.text(tenant);
  slab.size(home === "source" ? 0 : 1);
  if (schema === null) slab.size(0);
  else {
    slab.size(1);
    slab.text(schema);
  }
  slab.number(sinceMs);
  slab.number(generation);
  return slab.end();
}

function named(name: string, doc: string, fields: readonly object[]): NamedSchema {
  return { fullName: `${NAMESPACE}.${name}`, text: JSON.stringify({ type: "record", name, namespace: NAMESPACE, doc, fields }) };
}
