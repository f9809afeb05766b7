/** Which units there are: each table's rows of each tenant that is on both sides. */

import { holdsRowsOf, tableText, targetOf } from "../model/mapping.ts";
import { arrayText, qualified } from "../model/sql.ts";
import type { Session } from "../ports.ts";
import type { ReconcileDeps } from "./deps.ts";

/**
 * SQL for tenants that can be compared, of `t`: copied whole, with a lane that applies what is in flight. A tenant that stopped has none, and
 * what it lacks is known.
 */
export const COMPARABLE = "t.phase IN ('catching-up', 'in-sync') AND t.lane IS NOT NULL AND t.stopped IS NULL";

/** Makes the units of tenants that have become comparable known. Idempotent. */
export async function registerUnits(state: Session, deps: ReconcileDeps): Promise<void> {
  const rows = await state.query(
    `SELECT t.tenant FROM rehouse.tenant AS t
      WHERE t.migration = $1 AND ${COMPARABLE}
        AND NOT EXISTS (SELECT FROM rehouse.compared_unit AS u
                         WHERE u.migration = t.migration AND u.direction = $2 AND u.tenant = t.tenant AND u.target IS NOT NULL)`,
    [deps.migration, deps.direction],
  );
  for (const row of rows) {
    const tenant = row["tenant"] ?? "";
    const tables = deps.mapping.tables.filter((table) => holdsRowsOf(table, tenant));
    await state.query(
      `INSERT INTO rehouse.compared_unit AS u (migration, direction, source, tenant, target)
       SELECT $1, $2, source, $3, target FROM unnest($4::text[], $5::text[]) AS t(source, target)
       ON CONFLICT (migration, direction, source, tenant) DO UPDATE SET target = EXCLUDED.target`,
      [
        deps.migration,
        deps.direction,
        tenant,
        arrayText(tables.map((table) => tableText(table.source))),
        arrayText(tables.map((table) => qualified(targetOf(deps.mapping, table, tenant)))),
      ],
    );
  }
}
