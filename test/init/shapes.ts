import type { CatalogColumn, ForeignKey, Table } from "../../src/catalog/index.ts";
import { catalogTable, column } from "../mapping/tables.ts";

type Shape = Partial<Omit<Table, "columns">> & {
  /** `"account_id bigint"`; `"note text?"` may be NULL. */
  readonly columns: readonly string[];
  readonly key?: readonly string[];
  /** `"account_id -> accounts.id"`, or over several columns: `"a, b -> parents.a, b"`. */
  readonly refers?: readonly string[];
};

/** Tables of a catalog in a notation that shows their shape; `billing.invoices` is not in public. */
export function shapes(tables: Readonly<Record<string, Shape>>): Table[] {
  return Object.entries(tables).map(([name, { columns, key = ["id"], refers = [], ...more }]) => {
    const at = nameOf(name);
    return {
      ...catalogTable(at.table, columns.map(columnOf), key),
      name: at,
      foreignKeys: refers.map(foreignKey),
      ...more,
    };
  });
}

function nameOf(text: string): Table["name"] {
  const [first = "", second] = text.split(".");
  return second === undefined ? { schema: "public", table: first } : { schema: first, table: second };
}

function columnOf(text: string): CatalogColumn {
  const [name = "", ...type] = text.split(" ");
  const words = type.join(" ");
  return column(name, words.replace(/\?$/, ""), { notNull: !words.endsWith("?") });
}

function foreignKey(text: string): ForeignKey {
  const [from = "", to = ""] = text.split(" -> ");
  const dot = to.lastIndexOf(".");
  const names = (list: string) => list.split(", ");
  return {
    name: "fk",
    columns: names(from),
    references: nameOf(to.slice(0, dot)),
    referencedColumns: names(to.slice(dot + 1)),
    match: "simple",
    onUpdate: "NO ACTION",
    onDelete: "NO ACTION",
    onDeleteColumns: [],
    deferrable: false,
    initiallyDeferred: false,
    validated: true,
    enforced: true,
    period: false,
  };
}
