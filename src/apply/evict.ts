/**
 * Rows from the future. A tenant that was copied in more than one epoch, or whose row was read again, holds rows that are newer than the
 * lane's position. Until the lane has passed the newest of them, such a row may hold a unique value that an older change needs. It
 * gives way: its own change is still to come in the stream, and brings it back.
 */

import { ident, qualified } from "../model/sql.ts";
import type { PipelineResult, Row, ServerError, Statement } from "../ports.ts";
import type { TableWriter } from "./table-writer.ts";
import { tenantAtTarget } from "./tenant-at-target.ts";

type Runner = {
  query(sql: string, params?: readonly string[]): Promise<Row[]>;
  run(statements: readonly Statement[]): Promise<readonly PipelineResult[]>;
};

/**
 * Removes the rows that keep this upsert's out under the constraint that Postgres named. Resolves to their keys, in texts; undefined when it
 * cannot tell which they are.
 */
export async function evict(
  runner: Runner,
  writer: TableWriter,
  upsert: Statement,
  collision: ServerError,
): Promise<string[][] | undefined> {
  if (collision.constraint === undefined) return undefined;
  const parts = await runner.query(CONSTRAINT, [writer.target.schema, collision.constraint, qualified(writer.target)]);
  const [first] = parts;
  if (first === undefined) return undefined;
  const expressions = parts.map((part, index) => `(${part["expression"]})${part["collation"]} AS u${index}`).join(", ");
  const collides = parts.map(({ operator, nulls_equal }, index) => {
    const equal = `o.u${index} ${operator} n.u${index}`;
    return nulls_equal === "t" ? `(${equal} OR (o.u${index} IS NULL AND n.u${index} IS NULL))` : equal;
  });
  const keys = writer.table.targetKey.map((name, index) => `${ident(name)} AS k${index}`).join(", ");
  // Another tenant's row is never from this lane's future: its own change may be behind its lane already, and would not bring it back.
  const tenant = tenantAtTarget(writer.table)?.column;
  if (tenant !== undefined) collides.push(`o.unit = n.${ident(tenant.name)}`);
  const unit = tenant === undefined ? "NULL" : ident(tenant.name);
  const otherKey = writer.table.targetKey.map((name, index) => `o.k${index} IS DISTINCT FROM n.${ident(name)}`).join(" OR ");
  const table = qualified(writer.target);
  const [removed] = await runner.run([
    {
      sql: `
        WITH n AS (SELECT new.*, ${expressions} FROM (${writer.newRows}) AS new WHERE ${first["predicate"]}),
             o AS (SELECT ctid AS place, ${unit} AS unit, ${keys}, ${expressions} FROM ${table} WHERE ${first["predicate"]})
        DELETE FROM ${table} WHERE ctid IN (SELECT o.place FROM o JOIN n ON ${collides.join(" AND ")} WHERE ${otherKey})
        RETURNING ${writer.table.targetKey.map((name, index) => `${ident(name)}::text AS k${index}`).join(", ")}`,
      ...(upsert.params === undefined ? {} : { params: upsert.params }),
    },
  ]);
  return (removed?.rows ?? []).map((row) => writer.table.targetKey.map((_, index) => row[`k${index}`] ?? ""));
}

/**
 * What a unique or exclusion constraint compares, and how: a unique index by its operator class's equality (strategy 3 of a btree), under the
 * index's own collation. Rows that a partial index does not hold keep nobody out.
 */
const CONSTRAINT = `
  SELECT pg_get_indexdef(i.indexrelid, k, false) AS expression,
         coalesce((SELECT format(' COLLATE %I.%I', s.nspname, c.collname) FROM pg_collation AS c JOIN pg_namespace AS s ON s.oid = c.collnamespace
                    WHERE c.oid = i.indcollation[k - 1]), '') AS collation,
         (SELECT format('OPERATOR(%I.%s)', s.nspname, o.oprname) FROM pg_operator AS o JOIN pg_namespace AS s ON s.oid = o.oprnamespace
           WHERE o.oid = coalesce(x.conexclop[k], equality.amopopr)) AS operator,
         coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) AS nulls_equal, -- since version 15
         coalesce(pg_get_expr(i.indpred, i.indrelid), 'true') AS predicate
    FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN pg_constraint AS x ON x.conindid = i.indexrelid AND x.contype = 'x'
   CROSS JOIN generate_series(1, i.indnkeyatts) AS k
    LEFT JOIN pg_opclass AS class ON class.oid = i.indclass[k - 1]
    LEFT JOIN pg_amop AS equality ON equality.amopfamily = class.opcfamily AND equality.amopstrategy = 3
          AND equality.amoplefttype = class.opcintype AND equality.amoprighttype = class.opcintype
   WHERE n.nspname = $1 AND c.relname = $2 AND i.indrelid = $3::regclass AND (i.indisunique OR x.oid IS NOT NULL)
   ORDER BY k`;
