/**
 * Rows from the future. A tenant that was copied in more than one epoch, or whose row was read again, holds rows that are newer than the
 * lane's position. Until the lane has passed the newest of them, such a row may hold a unique value that an older change needs. It
 * gives way: its own change is still to come in the stream, and brings it back.
 */

import { ident, qualified } from "../model/sql.ts";
import type { Row, ServerError, Statement } from "../ports.ts";
import type { TableWriter } from "./table-writer.ts";

type Runner = {
  query(sql: string, params?: readonly string[]): Promise<Row[]>;
  run(statements: readonly Statement[]): Promise<void>;
};

/** Removes the rows that keep this upsert's out under the constraint that Postgres named. False when it cannot tell which. */
export async function evict(runner: Runner, writer: TableWriter, upsert: Statement, collision: ServerError): Promise<boolean> {
  if (collision.constraint === undefined) return false;
  const expressions = await runner.query(
    `SELECT pg_get_indexdef(i.indexrelid, k, false) AS expression
       FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace,
            generate_series(1, i.indnkeyatts) AS k
      WHERE n.nspname = $1 AND c.relname = $2 AND i.indrelid = $3::regclass AND i.indisunique ORDER BY k`,
    [writer.target.schema, collision.constraint, qualified(writer.target)],
  );
  if (expressions.length === 0) return false;
  const parts = expressions.map((row, index) => `(${row["expression"]}) AS u${index}`).join(", ");
  const equal = expressions.map((_, index) => `o.u${index} = n.u${index}`).join(" AND ");
  const otherKey = writer.table.targetKey.map((name, index) => `o.k${index} IS DISTINCT FROM n.${ident(name)}`).join(" OR ");
  const keys = writer.table.targetKey.map((name, index) => `${ident(name)} AS k${index}`).join(", ");
  // The SELECT of the upsert is the new row as the target would hold it.
  const select = upsert.sql.slice(upsert.sql.indexOf("SELECT"), upsert.sql.lastIndexOf("ON CONFLICT"));
  await runner.run([
    {
      sql: `
        WITH n AS (SELECT new.*, ${parts} FROM (${select}) AS new),
             o AS (SELECT ctid AS place, ${keys}, ${parts} FROM ${qualified(writer.target)})
        DELETE FROM ${qualified(writer.target)} WHERE ctid IN (SELECT o.place FROM o JOIN n ON ${equal} WHERE ${otherKey})`,
      ...(upsert.params === undefined ? {} : { params: upsert.params }),
    },
  ]);
  return true;
}
