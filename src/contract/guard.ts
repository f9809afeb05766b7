/** What has to hold before a tenant's old home is cleared. */

import type { Obstacle } from "../cutover/index.ts";
import { tableText } from "../model/mapping.ts";
import { arrayText } from "../model/sql.ts";
import type { Database } from "../ports.ts";
import type { Order } from "./remove.ts";

/** A reference from a table that does not move, and what the database would do to its rows: they are somebody else's. */
export async function foreignReferences(source: Database, order: Order): Promise<Obstacle[]> {
  const rows = await source.query(
    `SELECT f.conname AS name, cn.nspname || '.' || c.relname AS child, pn.nspname || '.' || p.relname AS parent,
            CASE f.confdeltype WHEN 'c' THEN 'ON DELETE CASCADE' WHEN 'n' THEN 'ON DELETE SET NULL' ELSE 'ON DELETE SET DEFAULT' END AS does
       FROM pg_catalog.pg_constraint AS f
       JOIN pg_catalog.pg_class AS c ON c.oid = f.conrelid JOIN pg_catalog.pg_namespace AS cn ON cn.oid = c.relnamespace
       JOIN pg_catalog.pg_class AS p ON p.oid = f.confrelid JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
      WHERE f.contype = 'f' AND f.confdeltype IN ('c', 'n', 'd') AND f.conparentid = 0
        AND pn.nspname || '.' || p.relname = ANY ($1::text[]) AND cn.nspname || '.' || c.relname <> ALL ($1::text[])`,
    [arrayText(order.map((table) => tableText(table.source)))],
  );
  return rows.map((row) => ({
    gate: "foreign-key",
    value: `${row["child"]} refers to ${row["parent"]} ${row["does"]} (${row["name"]})`,
    limit: "none from a table that does not move",
    fix: `remove those rows yourself, then make the constraint ON DELETE NO ACTION`,
  }));
}

/** Still watched, or with something that nobody has looked at. */
export async function readSoaked(target: Database, migration: string, tenant: string, soakMs: number): Promise<Obstacle[]> {
  const [row] = await target.query(
    `SELECT t.phase, (extract(epoch FROM clock_timestamp() - t.phase_since) * 1000)::bigint AS since_ms,
            (SELECT count(*) FROM rehouse.late_write AS w WHERE w.migration = t.migration AND w.tenant = t.tenant) AS late,
            EXISTS (SELECT FROM rehouse.switch AS s WHERE s.migration = t.migration AND s.tenant = t.tenant) AS under_way
       FROM rehouse.tenant AS t WHERE t.migration = $1 AND t.tenant = $2`,
    [migration, tenant],
  );
  const found: Obstacle[] = [];
  const phase = row?.["phase"] ?? "not known";
  if (phase !== "soaking")
    found.push({ gate: "phase", value: phase, limit: "soaking", fix: "switch it first: rehouse cutover --tenant" });
  else if (Number(row?.["since_ms"]) < soakMs)
    found.push({
      gate: "soak",
      value: `${Math.round(Number(row?.["since_ms"]) / 1_000)} s`,
      limit: `${Math.round(soakMs / 1_000)} s`,
      fix: "wait until it has soaked, or say --now",
    });
  if (row?.["under_way"] === "t")
    found.push({ gate: "switch", value: "under way", limit: "none", fix: "wait until it has ended" });
  if (Number(row?.["late"] ?? 0) > 0)
    found.push({
      gate: "late-writes",
      value: String(row?.["late"]),
      limit: "0",
      fix: "rehouse.late_write at the target has them: carry over what matters, then delete them there",
    });
  return found;
}
