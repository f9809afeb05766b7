/** `rehouse rollback`: a switched tenant goes back to the source with every write made at the target; one that was not switched is given up. */

import { armForRollback } from "./arm.ts";
import { choose, each, readUnits, type Unit } from "./cutover.ts";
import { NOT_MEASURED, type SwitchDocument, type SwitchedTenant } from "./document.ts";
import { legFor, type SwitchDeps } from "./feeds.ts";
import { IS_COPYING, stopCopy } from "./stop-copy.ts";
import { switchTenant } from "./switch-tenant.ts";
import { requireTurn } from "./turn.ts";
import { withdraw } from "./withdraw.ts";

export type RollbackRequest = {
  readonly tenants: readonly string[];
  /** Leave the rows at the target of a tenant that was not switched. */
  readonly keep: boolean;
  readonly dryRun: boolean;
  readonly by: string;
  readonly onTenant?: (tenant: SwitchedTenant) => void;
};

export async function rollback(deps: SwitchDeps, request: RollbackRequest, signal: AbortSignal): Promise<SwitchDocument> {
  const { file, systems } = deps;
  const chosen = choose(await readUnits(systems.target, file.name), request.tenants, file.name);
  const switched = chosen.filter(({ phase }) => phase === "soaking").map(({ tenant }) => tenant);
  if (!request.dryRun && switched.length > 0) await armForRollback(deps, switched, signal);
  const tenants = await each(chosen, 1, async (unit) => {
    const done = NEVER_SWITCHED.has(unit.phase)
      ? await giveUp(deps, unit, request, signal)
      : await leadBack(deps, unit, request, signal);
    request.onTenant?.(done);
    return done;
  });
  return { formatVersion: 1, migration: file.name, tenants };
}

/** Also where a switch is under way or was left behind: that is ended first. */
const NEVER_SWITCHED: ReadonlySet<string> = new Set(["planned", "expanding", "backfilling", "catching-up", "in-sync"]);

async function leadBack(
  deps: SwitchDeps,
  { tenant }: Unit,
  { by, dryRun }: RollbackRequest,
  signal: AbortSignal,
): Promise<SwitchedTenant> {
  return switchTenant(legFor(deps, "to-source", tenant), { tenant, by, dryRun }, signal);
}

async function giveUp(
  deps: SwitchDeps,
  { tenant, phase }: Unit,
  { by, keep, dryRun }: RollbackRequest,
  signal: AbortSignal,
): Promise<SwitchedTenant> {
  const { file, systems } = deps;
  const stays = {
    tenant,
    home: "source" as const,
    ...NOT_MEASURED,
    obstacles: [],
    differences: [],
    predicted: null,
    error: null,
  };
  if (dryRun) return { ...stays, outcome: "ready" };
  await using _turn = await requireTurn(systems.target, file.name, tenant);
  // Also where another one has died after it.
  if (IS_COPYING.has(phase) || phase === "planned") await stopCopy(systems.target, file.name, { tenant, by }, signal);
  await withdraw(deps, { tenant, keep, by }, signal);
  return { ...stays, outcome: "aborted" };
}
