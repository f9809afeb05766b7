/** What moves: three tables under several layouts. Small on purpose, so that few transactions meet each other often. */

import type { Mapping, TableKind, TableMapping, TargetColumn } from "../../src/model/mapping.ts";
import type { Relation } from "../../src/ports.ts";

export type SimTable = {
  readonly relation: Relation;
  readonly name: string;
  readonly columns: readonly string[];
  /** The primary key's columns, by index. */
  readonly key: readonly number[];
  /** Index of the tenant's column; -1: none. */
  readonly tenant: number;
  /** Index of a column whose values are unique for a tenant; -1: none. */
  readonly unique: number;
  /** Index of a column whose value is stored out of line, so that an update that leaves it alone does not send it; -1: none. */
  readonly toast: number;
};

export type Layout = {
  readonly name: string;
  readonly mapping: Mapping;
  readonly tables: readonly SimTable[];
  /** A tenant may be copied while others are on their way: not where its copy may find a key that is another tenant's row still. */
  readonly lateCopies: boolean;
  readonly whole: boolean;
};

export const MIGRATION = "m";

const layouts: readonly Layout[] = [
  layout("a schema per tenant", { schemaTemplate: "tenant_{tenant}", dropped: true, key: ["tenant_id", "id"] }),
  layout("one table, the tenant in its key", { schemaTemplate: undefined, dropped: false, key: ["tenant_id", "id"] }),
  layout("one table, the tenant not in its key", { schemaTemplate: undefined, dropped: false, key: ["id"] }),
  layout("no tenants", { schemaTemplate: "moved", dropped: false, key: ["id"], whole: true }),
];

export function layoutOf(choice: number): Layout {
  const chosen = layouts[choice % layouts.length];
  if (chosen === undefined) throw new RangeError("no such layout");
  return chosen;
}

type Shape = {
  readonly schemaTemplate: string | undefined;
  /** Whether the tenant's column is not carried over. */
  readonly dropped: boolean;
  readonly key: readonly string[];
  readonly whole?: boolean;
};

function layout(name: string, shape: Shape): Layout {
  const whole = shape.whole === true;
  const items = table(1, "items", ["tenant_id", "id", "code", "big", "n"], shape.key, {
    identity: "i",
    unique: "code",
    toast: "big",
  });
  const notes = table(2, "notes", ["tenant_id", "id", "body", "big"], shape.key, { identity: "f", toast: "big" });
  const countries = table(3, "countries", ["code", "name"], ["code"], { identity: "d" });
  const kind: TableKind = whole ? "whole" : "tenant";
  return {
    name,
    tables: [items, notes, countries],
    whole,
    lateCopies: whole || shape.key.includes("tenant_id"),
    mapping: {
      migration: MIGRATION,
      schemaTemplate: shape.schemaTemplate,
      tenantColumnAtTarget: shape.dropped ? "drop" : "keep",
      tables: [
        mapped(items, kind, shape),
        mapped(notes, kind, shape),
        mapped(countries, whole ? "whole" : "shared", { ...shape, key: ["code"] }),
      ],
    },
  };
}

function table(
  id: number,
  name: string,
  columns: readonly string[],
  key: readonly string[],
  of: { readonly identity: Relation["identity"]; readonly unique?: string; readonly toast?: string },
): SimTable {
  const index = (column: string | undefined) => (column === undefined ? -1 : columns.indexOf(column));
  const inIdentity = new Set(of.identity === "f" ? columns : [...key, "tenant_id"]);
  return {
    name,
    columns,
    key: key.map(index),
    tenant: index("tenant_id"),
    unique: index(of.unique),
    toast: index(of.toast),
    relation: {
      id,
      schema: "public",
      table: name,
      identity: of.identity,
      columns: columns.map((column) => ({ name: column, inIdentity: inIdentity.has(column), typeOid: 25, typmod: -1 })),
    },
  };
}

function mapped(source: SimTable, kind: TableKind, shape: Shape): TableMapping {
  const tenantColumn = kind === "tenant" ? "tenant_id" : undefined;
  const carried = source.columns.filter((column) => !(shape.dropped && column === tenantColumn));
  const key = shape.key.filter((column) => carried.includes(column));
  return {
    source: { schema: "public", table: source.name },
    kind,
    tenantColumn,
    fixed: undefined,
    sourceColumns: source.columns.map((column) => ({ name: column, type: "text", notNull: false, generated: false })),
    key,
    targetKey: key,
    sourceKey: shape.key,
    targetTable: source.name,
    targetSchema: undefined,
    columns: carried.map(
      (column): TargetColumn => ({ name: column, type: "text", expression: `"${column}"`, uses: [column], plain: column }),
    ),
    initial: [],
  };
}
