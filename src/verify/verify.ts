import { Sessions as OpenSessions, readServerFacts } from "../compare/index.ts";
import {
  type ComparedUnit,
  closeUnseen,
  NO_SECRETS,
  noteComparison,
  noteDifferences,
  Secrets,
  targetClock,
} from "../evidence/index.ts";
import { type TableMapping, tableText } from "../model/mapping.ts";
import { formatLsn, type Lsn, parseLsn } from "../model/position.ts";
import type { Session } from "../ports.ts";
import { requireAppliers } from "../repair/index.ts";
import { serverFailure } from "../server-failure.ts";
import { waitForLane } from "./applied.ts";
import type { VerifyDeps, VerifyRequest } from "./deps.ts";
import { isEqual, type VerifiedTable, type VerifiedTenant, type VerifyDocument } from "./document.ts";
import { describe } from "./images.ts";
import { type Repairable, repair } from "./repair.ts";
import { type Scan, type Sessions, scanTable } from "./scan.ts";
import { type SettledSuspect, settle } from "./settle.ts";
import { type Sides, sidesOf } from "./side.ts";
import { sourcePosition } from "./source-now.ts";
import { hasLeft, hasStayed, isComparable, readTenants, type TenantState, unitsIn } from "./tenants.ts";

/** The planner takes the buckets of a key's hash for as many as there are keys, and would sort all rows by them. */
const BY_HASH = { enable_sort: "off", enable_incremental_sort: "off" };

/** `position`: the source's, before the table was looked at. */
type ScannedTable = { readonly table: TableMapping; readonly sides: Sides; readonly position: Lsn; readonly scan: Scan };

/**
 * Compares tenants whole, source through the mapping against target, while both change. Resolves to the document of `verify --json`, and
 * notes the result for each tenant. Rejects with a RehouseError, or with the signal's reason.
 */
export async function verify(deps: VerifyDeps, request: VerifyRequest, signal: AbortSignal): Promise<VerifyDocument> {
  signal.throwIfAborted();
  if (request.repairFor !== undefined) await requireAppliers(deps.target, deps.migration);
  const open = new OpenSessions();
  const stop = () => void open.closeAll();
  signal.addEventListener("abort", stop, { once: true });
  try {
    const [source, target] = await Promise.all([
      open.open(deps.source, "rehouse verify", BY_HASH),
      open.open(deps.target, "rehouse verify", BY_HASH),
    ]);
    return await compareTenants(deps, request, { source, target }, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw serverFailure(error, { where: `${deps.source.place} ↔ ${deps.target.place}`, whenBack: "then verify again" }) ?? error;
  } finally {
    signal.removeEventListener("abort", stop);
    await open.closeAll();
  }
}

async function compareTenants(
  deps: VerifyDeps,
  request: VerifyRequest,
  sessions: Sessions,
  signal: AbortSignal,
): Promise<VerifyDocument> {
  const secrets = await Secrets.of(deps.target, deps.migration, deps.secrets ?? NO_SECRETS);
  const beganAt = await targetClock(deps.target);
  const tenants = await readTenants(deps.target, deps.migration, request.tenants);
  const comparable = tenants.filter(isComparable);
  const scanned = await scanAll(deps, request, sessions, comparable, signal);
  if (scanned.some(({ scan }) => scan.suspects.length > 0)) report(request, comparable, scanned, "rows in flight");
  const waitForApplied =
    deps.waitForApplied ?? ((tenant, lsn, until) => waitForLane(deps.target, deps.migration, tenant, lsn, until));
  const settled = await settle(
    sessions,
    scanned.map(({ sides, scan }) => ({ sides, suspects: scan.suspects })),
    waitForApplied,
    signal,
  );
  for (const [index, { table }] of scanned.entries()) {
    const keys = (settled[index] ?? []).filter(isUnsettled).map(({ key }) => key);
    if (keys.length > 0) request.onUnsettled?.({ table, keys });
  }
  const results: { readonly tenant: TenantState; readonly found: readonly Repairable[] }[] = [];
  for (const tenant of comparable)
    results.push({ tenant, found: await tablesOfTenant(deps.migration, sessions, tenant, scanned, settled, secrets) });
  // Only once every row was looked at for the last time.
  const after = new Map((await readTenants(deps.target, deps.migration, request.tenants)).map((each) => [each.tenant, each]));
  const stayed = new Map(
    results
      .filter(({ tenant }) => hasStayed(tenant, after.get(tenant.tenant)))
      .map(({ tenant, found }) => [tenant.tenant, found]),
  );
  const verified = tenants.map((before): VerifiedTenant => {
    const found = stayed.get(before.tenant);
    const { phase } = isComparable(before) && found === undefined ? (after.get(before.tenant) ?? before) : before;
    return { tenant: before.tenant, phase, tables: (found ?? []).map(({ document }) => document) };
  });
  const repairable = [...stayed.values()].flat();
  for (const { tenant, document } of repairable) await keepDifferences(deps, tenant, document);
  if (request.repairFor !== undefined)
    await repair(deps, sessions, repairable, { by: request.repairFor, waitForApplied }, signal);
  for (const { tenant, document } of repairable) await keepComparison(deps, tenant, document, beganAt);
  const isWhole = tenants.every((tenant) => stayed.has(tenant.tenant) || hasLeft(after.get(tenant.tenant) ?? tenant));
  return { formatVersion: 1, equal: isWhole && verified.every(isEqual), tenants: verified };
}

/** As evidence. What nothing is being applied for, and what never held still, is no difference there, and not equal, either. */
async function keepDifferences({ target, migration }: VerifyDeps, tenant: string, document: VerifiedTable): Promise<void> {
  const settled = document.differences.filter((difference) => difference.settled);
  await noteDifferences(target, unitOf(migration, tenant, document), settled, parseLsn(document.position));
}

/** After the repair, if there is one: what it has made equal is no difference any more. */
async function keepComparison(
  { target, migration }: VerifyDeps,
  tenant: string,
  document: VerifiedTable,
  beganAt: string,
): Promise<void> {
  const unit = unitOf(migration, tenant, document);
  const { rows, hash, position, differences, unsettled, omitted } = document;
  const left = differences.filter(({ repaired }) => !repaired);
  const settled = left.filter((difference) => difference.settled);
  const open = left.length - settled.length + unsettled;
  if (open + omitted === 0) await closeUnseen(target, unit, beganAt);
  await noteComparison(
    target,
    unit,
    { name: "verify" },
    {
      rows: BigInt(rows),
      hash: BigInt(hash),
      differences: settled.length,
      unsettled: open,
      omitted,
      position: parseLsn(position),
      beganAt,
    },
  );
}

function unitOf(migration: string, tenant: string, { table }: VerifiedTable): ComparedUnit {
  return { migration, direction: "forward", table, tenant };
}

/** Each table once, for all tenants; both sides at the same time. */
async function scanAll(
  deps: VerifyDeps,
  request: VerifyRequest,
  sessions: Sessions,
  tenants: readonly TenantState[],
  signal: AbortSignal,
): Promise<ScannedTable[]> {
  const facts = await readServerFacts(deps.mapping, deps.source, deps.target);
  const roots = await partitionRoots(sessions.source);
  const scanned: ScannedTable[] = [];
  for (const table of deps.mapping.tables) {
    signal.throwIfAborted();
    const units = unitsIn(tenants, table);
    if (units.length === 0) continue;
    const name = tableText(table.source);
    report(request, tenants, scanned, name);
    const sides = sidesOf(deps.mapping, table, facts, roots.has(name));
    const position = await sourcePosition(sessions.source);
    const scan = await scanTable(sessions, sides, units);
    scanned.push({ table, sides, position, scan });
  }
  return scanned;
}

function report(request: VerifyRequest, tenants: readonly TenantState[], scanned: readonly ScannedTable[], table: string): void {
  const rowsCompared = scanned.reduce(
    (sum, { scan }) => sum + [...scan.sums.values()].reduce((total, { rows }) => total + Number(rows), 0),
    0,
  );
  const rowsEstimated = Math.max(
    rowsCompared,
    tenants.reduce((sum, { rows }) => sum + rows, 0),
  );
  const [first] = tenants;
  request.onProgress?.({
    tenant: tenants.length === 1 && first !== undefined ? first.tenant : `${tenants.length} tenants`,
    table,
    rowsCompared,
    rowsEstimated,
  });
}

/** Partitioned tables of the source, as schema.table. */
export async function partitionRoots(source: Session): Promise<Set<string>> {
  const rows = await source.query(
    "SELECT n.nspname, c.relname FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind = 'p'",
  );
  return new Set(rows.map((row) => `${row["nspname"]}.${row["relname"]}`));
}

function isUnsettled({ verdict }: SettledSuspect): boolean {
  return verdict === "moving";
}

async function tablesOfTenant(
  migration: string,
  sessions: Sessions,
  { tenant }: TenantState,
  scanned: readonly ScannedTable[],
  settled: readonly (readonly SettledSuspect[])[],
  secrets: Secrets,
): Promise<Repairable[]> {
  const tables: Repairable[] = [];
  const at = new Date().toISOString();
  for (const [index, { table, sides, position, scan }] of scanned.entries()) {
    const sum = scan.sums.get(tenant);
    if (sum === undefined) continue;
    const mine = (settled[index] ?? []).filter((suspect) => suspect.unit === tenant);
    const found = mine.filter((suspect) => !isUnsettled(suspect));
    const name = tableText(table.source);
    const differences = await describe(sessions, sides, tenant, found, { migration, secrets, table: name });
    const document = {
      table: name,
      rows: Number(sum.rows),
      hash: String(sum.hash),
      position: formatLsn(position),
      at,
      differences,
      unsettled: mine.length - found.length,
      omitted: found.length - differences.length + Number(scan.omitted.get(tenant) ?? 0n),
      unrepaired: [],
    };
    tables.push({ tenant, table, sides, document, suspects: found });
  }
  return tables;
}
