/** `rehouse cutover`: one tenant, several, or all. One that fails does not stop the others. */

import { RehouseError } from "../errors.ts";
import { SHARED_UNIT } from "../model/mapping.ts";
import type { Database } from "../ports.ts";
import { armForCutover } from "./arm.ts";
import type { SwitchDocument, SwitchedTenant } from "./document.ts";
import { legFor, type SwitchDeps } from "./feeds.ts";
import { switchTenant } from "./switch-tenant.ts";

export type CutoverRequest = {
  /** Left out: every tenant of the migration that does not live at the target yet. */
  readonly tenants: readonly string[] | undefined;
  readonly parallel: number;
  readonly dryRun: boolean;
  readonly by: string;
  readonly onTenant?: (tenant: SwitchedTenant) => void;
};

export async function cutover(deps: SwitchDeps, request: CutoverRequest, signal: AbortSignal): Promise<SwitchDocument> {
  const { file, systems } = deps;
  const units = await readUnits(systems.target, file.name);
  const chosen =
    request.tenants === undefined ? units.filter(({ phase }) => !THERE.has(phase)) : choose(units, request.tenants, file.name);
  // Whoever is not in-sync is refused by the gate, and need not be armed for that.
  const ready = chosen.filter(({ phase }) => phase === "in-sync").map(({ tenant }) => tenant);
  if (!request.dryRun && ready.length > 0) await armForCutover(deps, ready, signal);
  const tenants = await each(chosen, request.parallel, async ({ tenant }) => {
    const done = await switchTenant(
      legFor(deps, "to-target", tenant),
      { tenant, by: request.by, dryRun: request.dryRun },
      signal,
    );
    request.onTenant?.(done);
    return done;
  });
  return { formatVersion: 1, migration: file.name, tenants };
}

/** They live at the target. */
const THERE: ReadonlySet<string> = new Set(["soaking", "contracted"]);

export type Unit = { readonly tenant: string; readonly phase: string };

/** What can be switched: tenants, or the whole of a move without them. */
export async function readUnits(state: Database, migration: string): Promise<Unit[]> {
  const rows = await state.query(
    "SELECT tenant, phase FROM rehouse.tenant WHERE migration = $1 AND tenant <> $2 ORDER BY CASE WHEN tenant ~ '^[0-9]{1,18}$' THEN tenant::bigint END, tenant",
    [migration, SHARED_UNIT],
  );
  return rows.map((row) => ({ tenant: row["tenant"] ?? "", phase: row["phase"] ?? "" }));
}

export function choose(units: readonly Unit[], asked: readonly string[], migration: string): Unit[] {
  const unknown = asked.filter((tenant) => !units.some((unit) => unit.tenant === tenant));
  if (unknown.length > 0)
    throw new RehouseError("REHOUSE_USAGE", {
      what: `the migration has no tenant ${unknown.join(", ")} that could be switched`,
      where: migration,
      fix: "rehouse status lists its tenants",
    });
  return units.filter(({ tenant }) => asked.includes(tenant));
}

/** In order, `parallel` of them at a time. */
export async function each<T, R>(items: readonly T[], parallel: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < items.length; index = next++) {
      const item = items[index];
      if (item !== undefined) results[index] = await work(item);
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.min(parallel, items.length)) }, worker));
  return results;
}
