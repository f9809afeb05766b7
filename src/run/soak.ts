/** The watch over switched tenants as the control role runs it, with the rollback of src/cutover as what a criterion may lead to. */

import { rollback, type SwitchDeps } from "../cutover/index.ts";
import { RehouseError } from "../errors.ts";
import { watchSoak } from "../soak/index.ts";

/** Until `signal` aborts; at once where the file says that there is no way back. `deps` is asked anew for each rollback. */
export async function soakStage(deps: () => SwitchDeps, signal: AbortSignal): Promise<void> {
  const { file, systems } = deps();
  if (!file.rollback.possible) return;
  const { source, target } = systems;
  const goBack = (tenant: string, ended: AbortSignal) => leadBack(deps(), tenant, ended);
  await watchSoak({ migration: file.name, settings: file.rollback, source, target, goBack }, signal);
}

async function leadBack(deps: SwitchDeps, tenant: string, signal: AbortSignal): Promise<void> {
  const request = { tenants: [tenant], keep: true, dryRun: false, by: "the soak's criteria" };
  const [done] = (await rollback(deps, request, signal)).tenants;
  if (done === undefined || done.outcome === "switched") return;
  const { error, obstacles, differences } = done;
  const why = [
    ...(error === null ? [] : [`${error.code}: ${error.what}`]),
    ...obstacles.map(({ gate, value, limit }) => `${gate}: ${value}, where ${limit} is asked for`),
    ...differences.map(({ table }) => `rows of ${table} differ`),
  ];
  throw new RehouseError("REHOUSE_TENANT_STOPPED", {
    what: `tenant ${tenant} was not led back: ${why.join("; ")}`,
    where: "rollback",
    fix: "clear what is in the way, or `rehouse rollback` by hand",
  });
}
