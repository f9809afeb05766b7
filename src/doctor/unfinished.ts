/** What was begun and has not ended: switches, contracts, a cancel, and the fences and locks that belong to them. */

import { optional, text } from "../catalog/fields.ts";
import { readContracts } from "../contract/index.ts";
import { isTurnTaken } from "../cutover/index.ts";
import { tablesUnasked } from "../fence/index.ts";
import { SHARED_UNIT, tableText } from "../model/mapping.ts";
import { idleLocks, placeOf, type Side, type Traces } from "../orphans/index.ts";
import type { Database } from "../ports.ts";
import { type DoctorFinding, duration, error, warning } from "./finding.ts";
import type { LockLimits } from "./scope.ts";

/** `state`: the target. */
export async function unfinishedSwitches(state: Database, migration: string): Promise<DoctorFinding[]> {
  const rows = await state.query(
    "SELECT tenant, direction, step, began_at, started_by FROM rehouse.switch WHERE migration = $1 ORDER BY began_at",
    [migration],
  );
  const found: DoctorFinding[] = [];
  for (const row of rows) {
    const tenant = text(row, "tenant");
    if (await isTurnTaken(state, migration, tenant)) continue;
    const verb = row["direction"] === "to-source" ? "rollback" : "cutover";
    const isPast = row["step"] === "switched";
    const what = `the ${verb} that ${text(row, "started_by")} began at ${text(row, "began_at")} stands at step ${text(row, "step")}: it will be ${isPast ? "finished" : "undone"}`;
    found.push(
      error(
        "switch-unfinished",
        `tenant ${tenant}`,
        what,
        `rehouse run does it by itself, or: rehouse ${verb} --tenant ${tenant}`,
      ),
    );
  }
  return found;
}

export async function unfinishedContracts(
  state: Database,
  migration: string,
  { source, isOver }: { readonly source: Traces | undefined; readonly isOver: boolean },
): Promise<DoctorFinding[]> {
  const contracts = await readContracts(state, migration);
  const areAllDone = isOver && [...contracts.values()].every(({ isDone }) => isDone);
  const found: DoctorFinding[] = [];
  for (const [tenant, { isDone }] of contracts) {
    const isFenced = areAllDone && source?.fence.rows.some((fence) => fence.tenant === tenant) === true;
    if ((isDone && !isFenced) || (await isTurnTaken(state, migration, tenant))) continue;
    const what = isDone
      ? "its rows are gone, and the fence at its old home is still there"
      : "its rows at the source are not all removed";
    found.push(error("contract-unfinished", `tenant ${tenant}`, what, `rehouse contract --tenant ${tenant}`));
  }
  return found;
}

/** Writers that are refused although nobody switches their tenant. `target` undefined: it cannot be asked what they wait for. */
export async function fencedTenants(
  side: Side,
  { fence }: Traces,
  migration: string,
  target: Database | undefined,
): Promise<DoctorFinding[]> {
  const found: DoctorFinding[] = [];
  for (const { tenant } of fence.rows.filter(({ state }) => state === "fenced")) {
    const place = `tenant ${tenant}`;
    if (target === undefined) {
      const what = `its writers at ${placeOf(side)} are told to try again, and whether it is switched only the target knows, which does not answer`;
      found.push(error("tenant-fenced", place, what, "bring the target back; rehouse run ends the switch then"));
      continue;
    }
    const [row] = await target.query("SELECT FROM rehouse.switch WHERE migration = $1 AND tenant = $2", [migration, tenant]);
    // Said of the switch already, or it is under way.
    if (row !== undefined || (await isTurnTaken(target, migration, tenant))) continue;
    const what = `its writers at ${placeOf(side)} are told to try again, and no switch is under way`;
    found.push(error("tenant-fenced", place, what, "rehouse run takes the fence back within seconds (role control)"));
  }
  return found;
}

/** Tenants that have left a source which would take their writes all the same. */
export async function openFences(
  side: Side,
  traces: Traces,
  target: Traces,
  under: ReadonlySet<string>,
): Promise<DoctorFinding[]> {
  const tenants = [...(target.state?.tenants ?? [])];
  const isOver = tenants.every(([tenant, phase]) => phase === "contracted" || tenant === SHARED_UNIT);
  const found: DoctorFinding[] = [];
  for (const [tenant, phase] of tenants) {
    if ((phase !== "soaking" && phase !== "contracted") || isOver || under.has(tenant)) continue;
    const row = traces.fence.rows.find((each) => each.tenant === tenant);
    const closed = row?.state === "moved" || row?.state === "fenced";
    const unasked = closed ? await tablesUnasked({ database: side.database, migration: side.feed }, tenant) : [];
    if (closed && unasked.length === 0) continue;
    const where =
      unasked.length === 0
        ? "its fence is gone"
        : `no trigger asks for it on ${unasked.map(({ table }) => tableText(table)).join(", ")}`;
    const fix = `stop what still writes there, then rehouse verify --tenant ${tenant}; rehouse.late_write at the target has what the stream saw`;
    found.push(
      error(
        "fence-open",
        `tenant ${tenant}`,
        `it lives at the target, and ${placeOf(side)} would take its writes: ${where}`,
        fix,
      ),
    );
  }
  return found;
}

export async function heldLocks(side: Side, migration: string, limits: LockLimits): Promise<DoctorFinding[]> {
  return (await idleLocks(side.database, migration, limits)).map(({ pid, name, idleMs }) =>
    warning(
      "lock-held",
      placeOf(side),
      `session ${pid} (${name}) holds a lock and has been idle for ${duration(idleMs)}: its process may be gone`,
      `if no such process lives: SELECT pg_terminate_backend(${pid});`,
    ),
  );
}

/** Tenants with a row in rehouse.switch. */
export async function tenantsUnderWay(state: Database, migration: string): Promise<ReadonlySet<string>> {
  const rows = await state.query("SELECT tenant FROM rehouse.switch WHERE migration = $1", [migration]);
  return new Set(rows.flatMap((row) => optional(row, "tenant") ?? []));
}
