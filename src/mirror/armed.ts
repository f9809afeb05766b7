/** What is armed: the tenants whose changes at the target are published, so that a switch may begin to carry them home. */

import { mirrorName } from "../model/mirror.ts";
import type { Database } from "../ports.ts";

export type Armed = {
  /** rehouse.migration.tenants_asked: another number means other units. */
  readonly asked: string;
  readonly units: readonly string[];
};

/** Undefined while nothing is armed. `home`: the migration's source, where the mirror's state is. */
export async function readArmed(home: Database, migration: string): Promise<Armed | undefined> {
  const asked = await readAsked(home, migration);
  if (asked === undefined) return undefined;
  const rows = await home.query("SELECT tenant FROM rehouse.tenant WHERE migration = $1 ORDER BY tenant", [
    mirrorName(migration),
  ]);
  return { asked, units: rows.map((row) => row["tenant"] ?? "") };
}

/** {@link Armed.asked}, for whoever only wants to know whether something has changed. */
export async function readAsked(home: Database, migration: string): Promise<string | undefined> {
  const [installed] = await home.query("SELECT to_regclass('rehouse.capture') IS NOT NULL AS there");
  if (installed?.["there"] !== "t") return undefined;
  const [row] = await home.query(
    "SELECT tenants_asked FROM rehouse.migration WHERE name = $1 AND slot_snapshot IS NOT NULL AND tenants_asked > 0 AND state <> 'cancelling'",
    [mirrorName(migration)],
  );
  return row?.["tenants_asked"] ?? undefined;
}
