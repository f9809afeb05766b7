import { isUnchanged, type MappedColumn, rowHash, sourceAlias, sourceType } from "../compare/index.ts";
import type { TableMapping } from "../model/mapping.ts";
import { ident } from "../model/sql.ts";

/** What tells rows apart, and how a side finds the rows of given keys. */
export type KeyPlan = {
  readonly columns: readonly MappedColumn[];
  /** The table has no key: a row's hash stands for it. */
  readonly isWhole: boolean;
  /** Both sides hold the key columns as they are, so a key's text at the source is its text at the target. */
  readonly isPlain: boolean;
  /** SQL: the row has one of the keys in the text arrays $first, ... */
  hasKey(side: "source" | "target", first: number): string;
};

/**
 * The key is the mapping's; a table without one is told apart by whole rows. Where source and target hold the same key columns in the same
 * types, both sides look rows up in the key's own type, that is through its index. Otherwise by the text that the mapping makes of it,
 * which reads the tenant's rows.
 */
export function keyPlan(table: TableMapping, columns: readonly MappedColumn[]): KeyPlan {
  const isWhole = table.targetKey.length === 0;
  const names = isWhole ? columns.map((column) => column.name) : table.targetKey;
  const keyColumns = names.flatMap((name) => columns.filter((column) => column.name === name));
  const targets = names.flatMap((name) => table.columns.filter((column) => column.name === name));
  const isDirect = !isWhole && targets.every((column) => isUnchanged(table, column));
  return {
    columns: keyColumns,
    isWhole,
    isPlain: isDirect,
    hasKey: (side, first) => {
      if (isWhole) return wholeRowCondition(side, keyColumns, first);
      if (!isDirect) {
        const values = keyColumns.map((column) => `(${side === "source" ? column.copied : ident(column.name)})::text`);
        return `(${values.join(", ")}) IN (SELECT * FROM unnest(${values.map((_, index) => `$${first + index}::text[]`).join(", ")}))`;
      }
      const values = targets.map((column) =>
        side === "source" ? `${sourceAlias(table)}.${ident(column.plain ?? "")}` : ident(column.name),
      );
      const types = targets.map((column) => (side === "source" ? sourceType(table, column.plain ?? "") : column.type) ?? "text");
      return `(${values.join(", ")}) IN (SELECT * FROM unnest(${types.map((type, index) => `$${first + index}::${type}[]`).join(", ")}))`;
    },
  };
}

/** The types' own hash functions, in the order in which they are wanted: what tells most rows apart for the least time. */
const HASH_OF: readonly (readonly [type: RegExp, hash: string])[] = [
  [/^bigint$/, "hashint8extended"],
  [/^uuid$/, "uuid_hash_extended"],
  [/^integer$/, "hashint4extended"],
  [/^(?:text|character varying(?:\(\d+\))?)$/, "hashtextextended"],
];

/** SQL that spreads rows by one column of their key, at a tenth of the cost of a row's hash; undefined: no column is of a type for that. */
export function coarseHash(
  table: TableMapping,
  key: readonly MappedColumn[],
  form: (column: MappedColumn) => string,
): string | undefined {
  const types = new Map(table.columns.map((column) => [column.name, column.type]));
  for (const [type, hash] of HASH_OF) {
    const column = key.findLast(({ name }) => type.test(types.get(name) ?? ""));
    if (column !== undefined) return `pg_catalog.${hash}(${form(column)}, 0)`;
  }
  return undefined;
}

/** Rows of a table without a key may hold NULLs, which no comparison of values finds: their hashes are compared. */
function wholeRowCondition(side: "source" | "target", columns: readonly MappedColumn[], first: number): string {
  const here = rowHash(columns.map((column) => (side === "source" ? column.sourceHash : column.targetHash)));
  return `${here} = ANY ($${first}::bigint[])`;
}
