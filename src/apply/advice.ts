/** What a person may do about a change that the target refuses, where Postgres' own error leaves it to be found out. */

import type { Param, Row, ServerError } from "../ports.ts";
import { type OrderedChanges, writtenValues } from "./statements.ts";

const NOT_A_VALUE = "22P02";

/** The statements that give the target's enums the labels that these changes have and they lack; empty where that is not what is wrong. */
export async function missingLabels(
  on: { query(sql: string, params?: readonly Param[]): Promise<Row[]> },
  error: ServerError,
  changes: OrderedChanges,
): Promise<string[]> {
  if (error.sqlstate !== NOT_A_VALUE) return [];
  const statements: string[] = [];
  for (const { table, column, values } of writtenValues(changes)) {
    const type = table.sourceColumns.find(({ name }) => name === column)?.type ?? null;
    const rows = await on.query(LACKING, [values, type]);
    statements.push(...rows.map((row) => row["statement"] ?? ""));
  }
  return statements;
}

const LACKING = `
  SELECT DISTINCT format('ALTER TYPE %s ADD VALUE %L;', $2::text, label) AS statement
    FROM unnest($1::text[]) AS label
   WHERE EXISTS (SELECT FROM pg_enum WHERE enumtypid = to_regtype($2::text))
     AND NOT EXISTS (SELECT FROM pg_enum WHERE enumtypid = to_regtype($2::text) AND enumlabel = label)`;
