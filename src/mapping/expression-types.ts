/**
 * The type that Postgres infers for each expression, with its typmod: from a temporary view over the source table, in a transaction that is
 * rolled back. Nothing is evaluated, and no privilege but TEMP is needed.
 */

import { refusal, rolledBack } from "../catalog/index.ts";
import { type TableName, tableText } from "../model/mapping.ts";
import { ident, qualified } from "../model/sql.ts";
import type { Database, Session } from "../ports.ts";

export type Asked = {
  readonly table: TableName;
  readonly column: string;
  readonly expression: string;
  /** Any column of the table. */
  readonly beside: string;
};

/** A type as format_type() prints it, or why Postgres refuses the expression. */
export type Answer = { readonly type: string } | { readonly refused: string; readonly hint: string | undefined };

/** Keys as `answerKey` makes them. */
export async function inferTypes(source: Database, asked: readonly Asked[]): Promise<Map<string, Answer>> {
  const answers = new Map<string, Answer>();
  if (asked.length === 0) return answers;
  await rolledBack(source, async (session) => {
    for (const [index, one] of asked.entries()) {
      const view = `rehouse_expression_${index}`;
      const refused = await refusal(session, viewOver(one, view));
      if (refused !== undefined) answers.set(answerKey(one), { refused: refused.message, hint: refused.hint });
      else await session.query(viewOver(one, view));
    }
    await readTypes(session, asked, answers);
  });
  return answers;
}

export function answerKey(asked: Pick<Asked, "table" | "column">): string {
  return `${tableText(asked.table)}.${asked.column}`;
}

/**
 * coalesce() of one value keeps the type and typmod, and refuses what gives a set of rows; a column beside it makes Postgres refuse an
 * aggregate, which alone would be a fine view of one row.
 */
function viewOver({ table, expression, beside }: Asked, view: string): string {
  return `
    CREATE TEMPORARY VIEW ${ident(view)} AS
    SELECT coalesce((${expression}
           )) AS value, ${ident(table.table)}.${ident(beside)} AS beside
      FROM ${qualified(table)} AS ${ident(table.table)}`;
}

async function readTypes(session: Session, asked: readonly Asked[], answers: Map<string, Answer>): Promise<void> {
  await session.query("SET LOCAL search_path = pg_catalog");
  const rows = await session.query(`
    SELECT c.relname, format_type(a.atttypid, a.atttypmod) AS type
      FROM pg_class c
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'value'
     WHERE c.relnamespace = pg_my_temp_schema() AND c.relname LIKE 'rehouse\\_expression\\_%'`);
  const types = new Map(rows.map((row) => [row["relname"], row["type"]]));
  for (const [index, one] of asked.entries()) {
    const type = types.get(`rehouse_expression_${index}`);
    if (type !== undefined && type !== null) answers.set(answerKey(one), { type });
  }
}
