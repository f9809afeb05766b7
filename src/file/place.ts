import { Buffer } from "node:buffer";
import type { LayoutSpec, TableSpec } from "./migration-file.ts";
import { MAX_IDENTIFIER_BYTES } from "./names.ts";

/** Stands for the tenant in the layout's schema. */
export const TENANT_PLACEHOLDER = "{tenant}";

/** The tenant of a move without tenants. */
export const WHOLE = "*";

/** The schema that a template gives for a tenant. Any character is fine, since identifiers are quoted. */
export function schemaFor(template: string, tenant: string): string {
  // Not replaceAll with a text: `$&` in a tenant's name would mean something there.
  return template.split(TENANT_PLACEHOLDER).join(tenant);
}

/** Where a source table's rows of a tenant go. */
export function targetTable(layout: LayoutSpec, table: TableSpec, tenant: string): { schema: string; table: string } {
  const template = table.to.schema ?? layout.schema ?? table.source.schema;
  return { schema: table.to.schema === undefined ? schemaFor(template, tenant) : template, table: table.to.table };
}

/**
 * Why a schema cannot be a target, or undefined. To be asked again for tenants that a query found: a name is refused rather than cut
 * short, since two tenants whose names begin alike would then share a schema.
 */
export function schemaObjection(schema: string): string | undefined {
  const bytes = Buffer.byteLength(schema);
  if (bytes > MAX_IDENTIFIER_BYTES) return `a schema of at most ${MAX_IDENTIFIER_BYTES} bytes (this one has ${bytes})`;
  if (schema === "") return "a schema's name that is not empty";
  if (schema.includes("\0")) return "a schema's name without NUL";
  if (schema === "rehouse") return "another schema: rehouse keeps the state of migrations";
  if (schema === "information_schema" || schema.startsWith("pg_")) return "another schema: Postgres keeps this name for itself";
  return undefined;
}
