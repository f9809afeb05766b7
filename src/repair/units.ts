import { RehouseError } from "../errors.ts";
import { arrayText } from "../model/sql.ts";
import type { Database } from "../ports.ts";

/** Units whose rows nobody writes now, each with the reason and what to do first. */
export async function unitsStandingStill(
  target: Database,
  migration: string,
  units: readonly string[],
): Promise<ReadonlyMap<string, RehouseError>> {
  const rows = await target.query(
    `SELECT tenant, lane, stopped ->> 'code' AS code, stopped ->> 'position' AS position
       FROM rehouse.tenant WHERE migration = $1 AND tenant = ANY ($2::text[]) AND (lane IS NULL OR stopped IS NOT NULL)`,
    [migration, arrayText(units)],
  );
  return new Map(
    rows.map((row) => {
      const unit = row["tenant"] ?? "";
      const isStopped = row["code"] !== null;
      return [
        unit,
        new RehouseError("REHOUSE_TENANT_STOPPED", {
          what: isStopped
            ? `tenant ${unit} stands still (${row["code"]}${row["position"] === null ? "" : ` at ${row["position"]}`}), so nothing is written for it`
            : `the changes of tenant ${unit} are not being applied yet`,
          where: migration,
          fix: isStopped
            ? `\`rehouse retry --tenant ${unit}\` or \`rehouse skip --tenant ${unit}\` first`
            : "verify again once it is there",
        }),
      ];
    }),
  );
}
