/** Expressions that give another value each time: source, target and checksum would never agree on them. */

import { text } from "../catalog/fields.ts";
import { functionsCalled, namesUsed, reversePlace, type TableMove, wayBack } from "../mapping/index.ts";
import type { Database } from "../ports.ts";
import { error, type Finding } from "./finding.ts";

/** Stable in a transaction, but not from one to the next. */
const CLOCKS = [
  "now",
  "transaction_timestamp",
  "statement_timestamp",
  "current_timestamp",
  "current_date",
  "current_time",
  "localtimestamp",
  "localtime",
];

/** An expression of the file, and its place there. */
export type Written = { readonly expression: string; readonly place: string };

/** Those of the way there, and, where there is a way back, its own. Values for new rows only may be any: they are written once, and not compared. */
export function writtenExpressions(tables: readonly TableMove[], withWayBack: boolean): Written[] {
  return tables.flatMap((table) => [
    ...table.columns.filter((column) => column.plain === undefined && column.generatedAs === undefined),
    ...(withWayBack && table.mapping.kind !== "shared" ? reversed(table) : []),
  ]);
}

function reversed(table: TableMove): Written[] {
  return wayBack(table)
    .columns.filter(({ plain }) => plain === undefined)
    .map(({ name, expression }) => ({ expression, place: reversePlace(table.spec, name) }));
}

export async function checkVolatility(source: Database, columns: readonly Written[]): Promise<Finding[]> {
  const called = new Map(
    columns.map((column) => [
      column,
      [...functionsCalled(column.expression), ...namesUsed(column.expression).filter((name) => CLOCKS.includes(name))],
    ]),
  );
  const names = [...new Set([...called.values()].flat())];
  if (names.length === 0) return [];
  const rows = await source.query(
    `
    SELECT p.proname
      FROM pg_proc p
     WHERE p.proname IN (SELECT jsonb_array_elements_text($1::jsonb))
     GROUP BY p.proname
    -- Of functions with one name, a single one that is not volatile gives the benefit of the doubt.
    HAVING bool_and(p.provolatile = 'v')`,
    [JSON.stringify(names)],
  );
  const volatile = new Set([...rows.map((row) => text(row, "proname")), ...CLOCKS]);
  return [...called].flatMap(([column, functions]) => {
    const culprit = functions.find((name) => volatile.has(name));
    if (culprit === undefined) return [];
    return [
      error(
        "expression-volatile",
        column.place,
        `${column.expression} gives another value each time, by ${culprit}: the copy, the stream and the comparison would not agree`,
        "compute the value from the row's own columns, or give the target column a DEFAULT and leave it out here",
      ),
    ];
  });
}
