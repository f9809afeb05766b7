/**
 * `rehouse contract`: a tenant that has soaked has its old home cleared. The feed home ends, its rows are compared a last time, kept in an archive where one
 * is asked for, and removed; a receipt says so. From its first step on there is no way back. Killed, the same verb goes on.
 */

import { z } from "zod";
import { reloadLanes } from "../apply/index.ts";
import { Sessions } from "../compare/index.ts";
import { journal } from "../control/journal.ts";
import { movePhase } from "../control/phases.ts";
import { choose, legFor, type Obstacle, readUnits, requireTurn, type SwitchDeps } from "../cutover/index.ts";
import { RehouseError } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import { disarm } from "../fence/index.ts";
import { disarmMirror } from "../mirror/index.ts";
import type { TableMapping } from "../model/mapping.ts";
import { mirrorName } from "../model/mirror.ts";
import { serverFailure } from "../server-failure.ts";
import { partitionRoots, verify } from "../verify/index.ts";
import { type ArchivedTable, archive } from "./archive.ts";
import { type Begun, readContracts } from "./begun.ts";
import type { ContractDocument, ContractedTenant } from "./document.ts";
import { foreignReferences, readSoaked } from "./guard.ts";
import { areOthersDone, keep } from "./keep.ts";
import { dependentObjects, tablesToDropFrom } from "./old-columns.ts";
import { atPace } from "./paced.ts";
import type { Receipt } from "./receipt.ts";
import { countAt, type Order, type RemovedTable, removalOrder, removeRows } from "./remove.ts";

export type ContractRequest = {
  readonly tenants: readonly string[];
  /** Do not wait for the soak to be over. */
  readonly now: boolean;
  /** Where the archive goes; undefined: none is made. */
  readonly archive: string | undefined;
  readonly by: string;
  readonly onTenant?: (tenant: ContractedTenant) => void;
};

export async function contract(deps: SwitchDeps, request: ContractRequest, signal: AbortSignal): Promise<ContractDocument> {
  const { file, systems } = deps;
  const chosen = choose(await readUnits(systems.target, file.name), request.tenants, file.name);
  const tenants: ContractedTenant[] = [];
  for (const { tenant } of chosen) {
    const done = await contractTenant(deps, tenant, request, signal);
    request.onTenant?.(done);
    tenants.push(done);
  }
  return { formatVersion: 1, migration: file.name, tenants };
}

async function contractTenant(
  deps: SwitchDeps,
  tenant: string,
  request: ContractRequest,
  signal: AbortSignal,
): Promise<ContractedTenant> {
  const nothing: ContractedTenant = { tenant, outcome: "failed", obstacles: [], receipt: null, error: null };
  const { file, systems } = deps;
  try {
    await using _turn = await requireTurn(systems.target, file.name, tenant);
    const order = await removalOrder({ mapping: deps.move.mapping, source: systems.source, tenant });
    const begun = (await readContracts(systems.target, file.name)).get(tenant);
    if (begun === undefined) {
      const obstacles = [
        ...(await readSoaked(systems.target, file.name, tenant, soakOf(deps, request))),
        ...(await foreignReferences(systems.source, order.filter(isCleared))),
        ...(await dependentsOf(deps, tenant)),
      ];
      if (obstacles.length > 0) return { ...nothing, outcome: "refused", obstacles };
    }
    const at = begun ?? (await begin(deps, tenant, request.by, signal));
    return { ...nothing, outcome: "contracted", receipt: await clear(deps, tenant, order, at, request, signal) };
  } catch (error) {
    signal.throwIfAborted();
    const failure = serverFailure(error);
    if (failure === undefined) throw error;
    return { ...nothing, error: { code: failure.code, what: failure.message, fix: failure.fix ?? null } };
  }
}

/** Only the last tenant takes old columns along. */
async function dependentsOf({ file, systems, move }: SwitchDeps, tenant: string): Promise<Obstacle[]> {
  if (!(await areOthersDone(systems.target, file.name, tenant))) return [];
  return dependentObjects(systems.source, tablesToDropFrom(file, move.mapping));
}

function soakOf({ file }: SwitchDeps, { now }: ContractRequest): number {
  return now || !file.rollback.possible ? 0 : file.rollback.soakMs;
}

/** Compares all rows a last time; then there is no way back. */
async function begin(deps: SwitchDeps, tenant: string, by: string, signal: AbortSignal): Promise<Begun> {
  const { file, systems } = deps;
  const snapshot = await aloneSince(deps, tenant);
  const compared = file.rollback.possible ? await compareHome(deps, tenant, signal) : [];
  await failpoint("contract.begin.before");
  await systems.target.transaction(async (session) => {
    await journal(session, file.name, "contract-begun", { by, snapshot }, tenant);
    for (const each of compared) await journal(session, file.name, "contract-compared", each, tenant);
    await movePhase(session, file.name, [tenant], { phase: "soaking" }, { event: "contract" });
  });
  await failpoint("contract.begin.after");
  return { snapshot, isDone: false };
}

/** What sees the target as it was when nothing more was carried home: now it is, and without a way back it was at the switch. */
async function aloneSince({ file, systems }: SwitchDeps, tenant: string): Promise<string> {
  const [row] = await systems.target.query(
    `SELECT coalesce((SELECT detail ->> 'snapshot' FROM rehouse.journal
                       WHERE migration = $1 AND tenant = $2 AND event = 'switched' AND NOT $3::boolean ORDER BY entry DESC LIMIT 1),
                     pg_catalog.pg_current_snapshot()::text) AS snapshot`,
    [file.name, tenant, String(file.rollback.possible)],
  );
  return row?.["snapshot"] ?? "";
}

async function compareHome(deps: SwitchDeps, tenant: string, signal: AbortSignal) {
  const { migration, mapping, source, target, secrets } = legFor(deps, "to-source", tenant).feed;
  const document = await verify({ migration, mapping, source, target, secrets }, { tenants: [tenant] }, signal);
  const tables = document.tenants.flatMap((each) => each.tables);
  // A row that is written at every look, and so after the snapshot, is not held against it: its truth is at the target.
  if (tables.length === 0 || tables.some(({ differences, omitted }) => differences.length + omitted > 0))
    throw new RehouseError("REHOUSE_CONTRACT_DIFFERS", {
      what: `tenant ${tenant} is not the same at both sides (or its feed home does not run), so its rows at the source are kept`,
      where: migration,
      fix: `rehouse verify --tenant ${tenant} shows the rows`,
    });
  return tables.map(({ table, rows, hash, unsettled, at }) => ({ table, rows, hash, differences: 0, unsettled, at }));
}

/** A table in place keeps its rows: they are at their new home already. */
function isCleared({ inPlace }: TableMapping): boolean {
  return inPlace === undefined;
}

async function clear(
  deps: SwitchDeps,
  tenant: string,
  order: Order,
  { snapshot, isDone }: Begun,
  request: ContractRequest,
  signal: AbortSignal,
): Promise<Receipt> {
  const { file, systems, mirror, move, version } = deps;
  const { source, target } = systems;
  if (isDone) {
    await disarmAll(deps, signal);
    return storedReceipt(deps, tenant);
  }
  // What the target's application writes from here on is not carried home any more: the source stands still.
  if (file.rollback.possible) await disarmMirror({ file, mirror, move }, [tenant], signal);
  await failpoint("contract.feed.after");
  const archived = await archiveOnce(request.archive, deps, tenant, order);
  await failpoint("contract.archive.after");
  const cleared = order.filter(isCleared);
  const counted = await countRows(deps, tenant, cleared);
  await failpoint("contract.counted.after");
  const removed: RemovedTable[] = [];
  const of = { mapping: move.mapping, source, target, tenant, snapshot };
  const note = async ({ table, changedSince }: RemovedTable) =>
    void removed.push({ table, removed: counted.get(table) ?? 0, changedSince });
  await atPace(deps, (pace) => removeRows({ ...of, pace }, cleared, note, signal), signal);
  await failpoint("contract.rows.after");
  await leaveLane(deps, tenant);
  await failpoint("contract.lane.after");
  await disarm({ database: target, migration: mirrorName(file.name) }, [tenant], signal);
  await failpoint("contract.home.after");
  const receipt = await keep(deps, { tenant, removed, archived, by: request.by, version }, signal);
  await failpoint("contract.receipt.after");
  await disarmAll(deps, signal);
  return receipt;
}

/** Once, before the first is removed: a contract that was killed has removed rows that its successor does not see. */
async function countRows(deps: SwitchDeps, tenant: string, order: Order): Promise<Map<string, number>> {
  const { file, systems, move } = deps;
  const before = await noted(deps, tenant, "contract-counted", "rows");
  if (before !== undefined) return new Map(Object.entries(countedSchema.parse(before)));
  const counts = await countAt(systems.source, move.mapping, order, tenant);
  await journal(systems.target, file.name, "contract-counted", { rows: Object.fromEntries(counts) }, tenant);
  return counts;
}

const countedSchema = z.record(z.string(), z.number());

/** For the same reason an archive that is complete is not made again, nor forgotten by a successor that was not asked for one. */
async function archiveOnce(
  directory: string | undefined,
  deps: SwitchDeps,
  tenant: string,
  order: Order,
): Promise<readonly ArchivedTable[]> {
  const before = await noted(deps, tenant, "contract-archived", "tables");
  if (before !== undefined) return archivedSchema.parse(before);
  if (directory === undefined) return [];
  const { file, systems } = deps;
  const open = new Sessions();
  try {
    const session = await open.open(systems.source, "rehouse contract");
    const roots = await partitionRoots(session);
    const tables = await archive(session, { directory, migration: file.name, tenant, order, roots });
    await journal(systems.target, file.name, "contract-archived", { directory, tables }, tenant);
    return tables;
  } finally {
    await open.closeAll();
  }
}

const archivedSchema = z.array(
  z.object({
    table: z.string(),
    file: z.string(),
    columns: z.array(z.string()),
    rows: z.number(),
    bytes: z.number(),
    sha256: z.string(),
  }),
);

/** What this contract has written down before; undefined: it has not. */
async function noted({ file, systems }: SwitchDeps, tenant: string, event: string, field: string): Promise<unknown> {
  const [row] = await systems.target.query(
    `SELECT detail ->> $4 AS value FROM rehouse.journal WHERE migration = $1 AND tenant = $2 AND event = $3
        AND entry > (SELECT max(entry) FROM rehouse.journal WHERE migration = $1 AND tenant = $2 AND event = 'contract-begun')`,
    [file.name, tenant, event, field],
  );
  return row?.["value"] == null ? undefined : JSON.parse(row["value"]);
}

/** Nothing comes for it any more but what its removal wrote, which capture leaves out. */
async function leaveLane({ file, systems }: SwitchDeps, tenant: string): Promise<void> {
  await systems.target.transaction(async (session) => {
    await reloadLanes((sql, params) => session.query(sql, params), file.name, [tenant]);
    await session.query("UPDATE rehouse.tenant SET lane = NULL WHERE migration = $1 AND tenant = $2", [file.name, tenant]);
  });
}

async function storedReceipt({ file, systems }: SwitchDeps, tenant: string): Promise<Receipt> {
  const [row] = await systems.target.query(
    "SELECT receipt::text AS receipt FROM rehouse.receipt WHERE migration = $1 AND tenant = $2",
    [file.name, tenant],
  );
  return JSON.parse(row?.["receipt"] ?? "null");
}

/** The source's triggers and fence go with the last tenant whose rows have gone; until then each stays refused there. */
async function disarmAll({ file, systems }: SwitchDeps, signal: AbortSignal): Promise<void> {
  const units = await readUnits(systems.target, file.name);
  const contracts = await readContracts(systems.target, file.name);
  if (units.some(({ tenant }) => contracts.get(tenant)?.isDone !== true)) return;
  await disarm(
    { database: systems.source, migration: file.name },
    units.map(({ tenant }) => tenant),
    signal,
  );
}
