/** What moves of each table, as the planner estimates it: no row is read. */

import type { TableMove } from "../mapping/index.ts";
import type { Database } from "../ports.ts";
import { shareOf, tenantShares } from "./estimate.ts";

export type MovingSize = { readonly table: TableMove; readonly rows: number; readonly bytes: number };

/** `tenants` undefined: all rows move. */
export async function movingSizes(
  source: Database,
  tables: readonly TableMove[],
  tenants: readonly string[] | undefined,
): Promise<MovingSize[]> {
  const session = await source.connect({ name: "rehouse estimate" });
  try {
    const sizes: MovingSize[] = [];
    for (const table of tables) {
      const isPart = tenants !== undefined && table.mapping.kind === "tenant";
      const share = isPart ? shareOf(tenants, await tenantShares(session, table.mapping)) : 1;
      const { rowsEstimated, bytes } = table.source;
      sizes.push({ table, rows: Math.round(share * rowsEstimated), bytes: Math.round(share * bytes) });
    }
    return sizes;
  } finally {
    await session.close();
  }
}
