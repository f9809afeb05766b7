/** `rehouse rollback`: a switched tenant goes back to the source with every write made at the target; one that was not switched is given up. */

import { armForRollback } from "./arm.ts";
import { choose, each, readUnits } from "./cutover.ts";
import type { SwitchDocument, SwitchedTenant } from "./document.ts";
import { legFor, type SwitchDeps } from "./feeds.ts";
import { switchTenant } from "./switch-tenant.ts";

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
  const tenants = await each(chosen, 1, async ({ tenant }) => {
    const done = await switchTenant(
      legFor(deps, "to-source", tenant),
      { tenant, by: request.by, dryRun: request.dryRun },
      signal,
    );
    request.onTenant?.(done);
    return done;
  });
  return { formatVersion: 1, migration: file.name, tenants };
}
