import type { LayoutSpec, TableSpec, TenantsSpec } from "./migration-file.ts";
import { describe, type Finding, type Path } from "./mistakes.ts";
import { formatTableName } from "./names.ts";
import { nearest } from "./nearest.ts";
import { schemaFor, schemaObjection, TENANT_PLACEHOLDER, targetTable, WHOLE } from "./place.ts";
import { resolveLayout, resolveTable, resolveTenants } from "./resolve.ts";
import { sameDatabase } from "./same-database.ts";
import type { SoundParts } from "./validate.ts";

/*
 * What only shows when keys are seen together. Works on the parts that passed the schema, so that it can report in the same go; `broken`
 * are the sections that did not, of which nothing is claimed.
 */

type Written = { name: string; spec: TableSpec; table: NonNullable<SoundParts["tables"]>[string] };
type Seen = {
  file: SoundParts;
  broken: ReadonlySet<string>;
  tenants: TenantsSpec | undefined;
  layout: LayoutSpec;
  tables: Written[];
};

export function crossChecks(file: SoundParts, broken: ReadonlySet<string>): Finding[] {
  const tenants = resolveTenants(file.tenants);
  const layout = resolveLayout(file.layout);
  const tables = Object.entries(file.tables ?? {}).map(([name, table]) => ({
    name,
    table,
    spec: resolveTable(name, table, tenants, layout),
  }));
  const seen: Seen = { file, broken, tenants, layout, tables };
  return [
    ...checkTenants(seen),
    ...checkLayout(seen),
    ...tables.flatMap((written) => checkTable(written, seen)),
    ...checkPlaces(seen),
  ];
}

function checkTenants({ tenants }: Seen): Finding[] {
  if (tenants?.move.kind !== "list") return [];
  const findings: Finding[] = [];
  const firstAt = new Map<string, number>();
  for (const [index, id] of tenants.move.ids.entries()) {
    const path = ["tenants", "move", index];
    const first = firstAt.get(id);
    if (first !== undefined)
      findings.push({
        path,
        found: `${describe(id)} again`,
        expected: `each tenant once (it is tenants.move[${first}] already)`,
      });
    else firstAt.set(id, index);
    if (id === WHOLE)
      findings.push({ path, found: describe(id), expected: "another tenant: * stands for a move without tenants" });
    if (id.includes("\0")) findings.push({ path, found: "a tenant with NUL", expected: "text that Postgres can hold" });
  }
  return findings;
}

function checkLayout({ broken, tenants, layout }: Seen): Finding[] {
  const findings: Finding[] = [];
  const template = layout.schema;
  const path = ["layout", "schema"];
  const withoutTenants = tenants === undefined && !broken.has("tenants");
  const placeholder = template?.includes(TENANT_PLACEHOLDER) ?? false;

  for (const [braced] of template?.matchAll(/\{([^{}]*)\}/g) ?? []) {
    if (braced !== TENANT_PLACEHOLDER)
      findings.push({
        path,
        found: braced,
        expected: "{tenant}, the only placeholder",
        nearest: nearest(braced, [TENANT_PLACEHOLDER]),
      });
  }
  if (placeholder && withoutTenants)
    findings.push({ path, found: describe(template), expected: "a schema without {tenant}, or a tenants section" });
  if (template !== undefined) findings.push(...schemaFindings(template, tenants));
  if (layout.tenantColumn === "drop" && !broken.has("layout")) {
    const dropPath = ["layout", "tenantColumn"];
    if (withoutTenants)
      findings.push({
        path: dropPath,
        found: "drop",
        expected: "keep, or a tenants section: without tenants there is no column to drop",
      });
    else if (!placeholder && tenants !== undefined && !movesOne(tenants)) {
      const place = template === undefined ? "the schemas that they come from" : `schema ${template}`;
      findings.push({
        path: dropPath,
        found: "drop",
        expected: `keep, or {tenant} in layout.schema: rows of several tenants in ${place} could not be told apart`,
      });
    }
  }
  return findings;
}

/** The schemas that the template gives for listed tenants; of other tenants, the shortest that it can give. */
function schemaFindings(template: string, tenants: TenantsSpec | undefined): Finding[] {
  if (tenants?.move.kind !== "list" || !template.includes(TENANT_PLACEHOLDER)) {
    const objection =
      template === TENANT_PLACEHOLDER
        ? undefined
        : schemaObjection(schemaFor(template, tenants === undefined ? TENANT_PLACEHOLDER : "x"));
    return objection === undefined ? [] : [{ path: ["layout", "schema"], found: describe(template), expected: objection }];
  }
  return tenants.move.ids.flatMap((id, index) => {
    const schema = schemaFor(template, id);
    const objection = schemaObjection(schema);
    return objection === undefined
      ? []
      : [
          {
            path: ["tenants", "move", index],
            found: `${describe(id)}, which gives schema ${describe(schema)}`,
            expected: objection,
          },
        ];
  });
}

function checkTable({ name, table, spec }: Written, { file, broken, tenants, layout }: Seen): Finding[] {
  const findings: Finding[] = [];
  const at: Path = ["tables", name];
  const withoutTenants = tenants === undefined && !broken.has("tenants");
  if (table.shared === true && table.tenant !== undefined) {
    findings.push({
      path: [...at, "shared"],
      found: "true, and a tenant",
      expected: "one of the two: a shared table has no tenant",
    });
  }
  if (table.shared === true && table.reverse !== undefined) {
    findings.push({
      path: [...at, "reverse"],
      found: describe(table.reverse),
      expected: "it to be left out: a shared table is never switched, so it never comes back",
    });
  }
  if (withoutTenants && table.tenant !== undefined) {
    findings.push({
      path: [...at, "tenant"],
      found: describe(table.tenant),
      expected: "a tenants section, or no tenant: without the section everything moves as one unit",
    });
  }
  if (withoutTenants && table.shared !== undefined) {
    findings.push({
      path: [...at, "shared"],
      found: describe(table.shared),
      expected: "a tenants section, or no shared: without the section everything moves as one unit",
    });
  }
  if (typeof table.to === "string") {
    if (table.to.includes(TENANT_PLACEHOLDER))
      findings.push({
        path: [...at, "to"],
        found: describe(table.to),
        expected: "a table without {tenant}; layout.schema takes it",
      });
    const explicit = spec.to.schema;
    const objection = explicit === undefined ? undefined : schemaObjection(explicit);
    if (objection !== undefined) findings.push({ path: [...at, "to"], found: describe(table.to), expected: objection });
    // The layout has a schema per tenant, and this table steps out of it into one for all.
    const isMixed = layout.tenantColumn === "drop" && layout.schema?.includes(TENANT_PLACEHOLDER) && mixes(spec, layout, tenants);
    if (isMixed && !(isOneDatabase(file) && staysInPlace(spec, layout))) {
      findings.push({
        path: [...at, "to"],
        found: describe(table.to),
        expected: `a table without a schema, or layout.tenantColumn keep: ${MIXED}`,
      });
    }
  }
  if (["information_schema", "rehouse"].includes(spec.source.schema) || spec.source.schema.startsWith("pg_")) {
    findings.push({ path: at, found: `a table of schema ${spec.source.schema}`, expected: "a table of the application" });
  }
  if (forgetsTenant(spec) && layout.tenantColumn === "keep" && mixes(spec, layout, tenants)) {
    findings.push({
      path: [...at, "columns", spec.tenantColumn ?? ""],
      found: "false for the tenant column",
      expected: `the column to be carried over: ${MIXED}`,
    });
  }
  return findings;
}

const MIXED = "rows of several tenants in one table could not be told apart";

/** Whether rows of more than one tenant come together in the table's target. */
function mixes(spec: TableSpec, layout: LayoutSpec, tenants: TenantsSpec | undefined): boolean {
  if (tenants === undefined || spec.shared || movesOne(tenants)) return false;
  return spec.to.schema !== undefined || !layout.schema?.includes(TENANT_PLACEHOLDER);
}

/** Whether the tenant column is left out, and no expression carries it over under another name. */
function forgetsTenant({ tenantColumn, columns }: TableSpec): boolean {
  if (tenantColumn === undefined || columns.get(tenantColumn) !== false) return false;
  return ![...columns.values()].some((expression) => typeof expression === "string" && expression.includes(tenantColumn));
}

/** Every source table and every target table is there once, and a table goes onto itself only where it gets new columns. */
function checkPlaces({ file, broken, tenants, layout, tables }: Seen): Finding[] {
  if (broken.has("layout")) return [];
  const findings: Finding[] = [];
  const sources = new Map<string, string>();
  const targets = new Map<string, string>();
  const same = isOneDatabase(file);
  // Where the list is not known before, one tenant that nobody has stands for all.
  const ids = tenants === undefined ? [WHOLE] : tenants.move.kind === "list" ? tenants.move.ids : ["\u{10FFFD}"];
  for (const { name, spec, table } of tables) {
    const source = formatTableName(spec.source);
    const earlier = sources.get(source);
    if (earlier !== undefined) {
      findings.push({
        path: ["tables", name],
        found: `${source}, which is tables.${earlier} already`,
        expected: "each source table once",
      });
      continue;
    }
    sources.set(source, name);
    if (Array.isArray(table.to)) continue;
    const path = table.to === undefined ? ["tables", name] : ["tables", name, "to"];
    const template = formatTableName({ schema: spec.to.schema ?? layout.schema ?? spec.source.schema, table: spec.to.table });
    const rival = targets.get(template);
    if (rival !== undefined) {
      findings.push({
        path,
        found: `${template}, where ${rival} goes already`,
        expected: "a target table of its own: merging tables is not in this version",
      });
    }
    targets.set(template, name);
    if (same && !staysInPlace(spec, layout) && ids.some((id) => formatTableName(targetTable(layout, spec, id)) === source)) {
      const expected = spec.shared
        ? "another table in `to`, or the table to be left out"
        : "another table or schema, or new columns of it in `columns`";
      findings.push({
        path,
        found: `${source} of the source database itself`,
        expected: `${expected}: source and target are the same database`,
      });
    }
  }
  return findings;
}

function isOneDatabase({ source, target }: SoundParts): boolean {
  return source !== undefined && target !== undefined && sameDatabase(source, target);
}

/** A table that goes onto itself may, where it is for new columns: then it stays, and its tenant column with it. */
function staysInPlace(spec: TableSpec, layout: LayoutSpec): boolean {
  const getsColumns = !spec.shared && [...spec.columns.values()].some((expression) => expression !== false);
  // A schema per tenant that is the table's own for one of them is no place for the others.
  return getsColumns && formatTableName(targetTable(layout, spec, WHOLE)) === formatTableName(spec.source);
}

function movesOne(tenants: TenantsSpec): boolean {
  return tenants.move.kind === "list" && tenants.move.ids.length === 1;
}
