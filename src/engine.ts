/** Everything that the command line can ask for, for one migration. */

import { setTimeout as delay } from "node:timers/promises";
import { type Access, AccessStore } from "./access/index.ts";
import { retryTenant, skipChange } from "./apply/index.ts";
import { slotName, topicPartitions } from "./capture/index.ts";
import { check, type GrantsReport, grants, type RoleNames } from "./check/index.ts";
import { childController } from "./child-controller.ts";
import type {
  CheckReport,
  ContractDocument,
  ControlOutcome,
  CutoverDocument,
  DoctorReport,
  PlanDocument,
  RehearsalDocument,
  RunOutcome,
  StatusDocument,
  SwitchDocument,
  TenantStatus,
  ThrottleOutcome,
  TopicsDocument,
  VerifyDocument,
} from "./cli/documents.ts";
import type { Engine, Role, RunEvent } from "./cli/engine.ts";
import { contract } from "./contract/index.ts";
import { hasBegun, requireUnchanged } from "./control/begin.ts";
import { cancelMigration } from "./control/cancel.ts";
import { readStatus } from "./control/status.ts";
import { cutover, releaseTenant, rollback, type SwitchDeps } from "./cutover/index.ts";
import { diagnose } from "./doctor/index.ts";
import { RehouseError } from "./errors.ts";
import { armFailpoints, FAILPOINTS_VARIABLE } from "./failpoint.ts";
import { type History, StateHistory } from "./history/index.ts";
import { mirrorMapping, readArmed, verifyAlongFeeds } from "./mirror/index.ts";
import type { Mapping } from "./model/mapping.ts";
import { mirrorName } from "./model/mirror.ts";
import { type Lsn, parseLsn, parsePosition } from "./model/position.ts";
import { operatorName } from "./operator.ts";
import { plan } from "./plan/index.ts";
import type { Database } from "./ports.ts";
import { fingerprintOf, rehearsalWarnings, rehearse } from "./rehearse/index.ts";
import { type ReportData, readReport } from "./report/index.ts";
import { beginResync, type ResyncBegun } from "./resync/index.ts";
import { runRole } from "./run/role.ts";
import { resolved, stageOf } from "./run/stages.ts";
import { SUPERVISED, withSupervisor } from "./run/supervised.ts";
import { supervise } from "./run/supervisor.ts";
import type { EngineDeps, Systems } from "./systems.ts";
import { pauseMigration, readChanges, readThrottle, resumeMigration, setPace } from "./throttle/index.ts";
import { topics } from "./topics/index.ts";

/** The roles of this version, in the order in which they are started. */
const ALL_ROLES: readonly Role[] = ["control", "capture", "backfill", "apply", "reconcile"];
const POLL_MS = 200;
/** Times as long as a look at the state takes: of 10,000 tenants the looks alone would be a server's work. */
const POLL_REST = 4;
const SHOWN_CHANGES = 20;

export class MigrationEngine implements Engine, AsyncDisposable {
  readonly history: History;
  readonly access: Access;
  readonly #deps: EngineDeps;
  /** Connections of their own, so that short questions of many do not queue behind those of the work. */
  readonly #aside: readonly Database[];

  constructor(deps: EngineDeps) {
    this.#deps = deps;
    const { file, elsewhere, stateSql } = deps;
    const [source, target] = [elsewhere.database(file.source), elsewhere.database(file.target)];
    this.#aside = [source, target];
    this.history = new StateHistory({ migration: file.name, source, target });
    this.access = new AccessStore({ migration: file.name, target, stateSql });
  }

  async check(signal: AbortSignal): Promise<CheckReport> {
    return { findings: await check({ file: this.#deps.file, ...this.#deps.systems }, signal) };
  }

  async grants(names: RoleNames): Promise<GrantsReport> {
    await this.#requireServers();
    const { source, target } = this.#deps.systems;
    return grants({ file: this.#deps.file, source, target }, names);
  }

  async plan(signal: AbortSignal): Promise<PlanDocument> {
    return plan(this.#deps, signal);
  }

  async topics(signal: AbortSignal): Promise<TopicsDocument> {
    return topics(this.#deps, signal);
  }

  async doctor(signal: AbortSignal): Promise<DoctorReport> {
    return diagnose(this.#deps, signal);
  }

  async run(
    options: { roles: Role[] | undefined; until: "in-sync" | undefined; onEvent: (event: RunEvent) => void },
    signal: AbortSignal,
  ): Promise<RunOutcome> {
    const roles = options.roles ?? ALL_ROLES;
    this.#armFailpoints(options.onEvent);
    // A server that is away at the start is a mistake more often than a passing fault; later on the roles wait for it.
    if (process.env[SUPERVISED] === undefined) await this.#requireServers();
    await requireUnchanged(this.#deps.systems.target, this.#deps.file);
    const since = options.until === undefined ? undefined : await this.#sourceEnd();
    const stop = childController(signal);
    const work = this.#work(roles, options.onEvent, stop.signal);
    try {
      const reached = since === undefined ? work.then(() => undefined) : this.#untilInSync(since, stop.signal);
      const outcome = await Promise.race([reached, work.then(() => undefined)]);
      stop.abort();
      await work;
      return { outcome: outcome ?? "interrupted", status: await this.status(AbortSignal.timeout(10_000)) };
    } finally {
      stop.abort();
      await work.catch(() => undefined);
    }
  }

  async status(_signal: AbortSignal): Promise<StatusDocument> {
    const { source, target } = this.#deps.systems;
    const { name: migration, rollback } = this.#deps.file;
    const soakMs = rollback.possible ? rollback.soakMs : undefined;
    return readStatus({ migration, slot: slotName(migration), source, target, soakMs, throttle: this.#deps.file.throttle });
  }

  async verify(
    { tenants, repair, by, onProgress }: Parameters<Engine["verify"]>[0],
    signal: AbortSignal,
  ): Promise<VerifyDocument> {
    await this.#requireBegun();
    const move = await resolved(this.#deps.file, this.#deps.systems);
    const request = { tenants, onProgress, repairFor: repair ? (by ?? operatorName()) : undefined };
    return verifyAlongFeeds(this.#deps, move, request, signal);
  }

  async cutover(
    { tenants, parallel, dryRun, by = operatorName(), onWarning, onTenant }: Parameters<Engine["cutover"]>[0],
    signal: AbortSignal,
  ): Promise<CutoverDocument> {
    const switching = await this.#switching();
    const { systems, file, move } = switching;
    const warnings = await rehearsalWarnings(systems.target, file.name, fingerprintOf(move));
    for (const warning of warnings) onWarning?.(warning);
    const document = await cutover(switching, { tenants, parallel, dryRun, onTenant, by }, signal);
    return { ...document, warnings };
  }

  async rehearse(options: Parameters<Engine["rehearse"]>[0], signal: AbortSignal): Promise<RehearsalDocument> {
    await this.#requireServers();
    return rehearse(this.#deps, options, signal);
  }

  async rollback(
    { tenants, keep, dryRun, by = operatorName(), onTenant }: Parameters<Engine["rollback"]>[0],
    signal: AbortSignal,
  ): Promise<SwitchDocument> {
    return rollback(await this.#switching(), { tenants, keep, dryRun, onTenant, by }, signal);
  }

  async contract(
    { tenants, archive, now, by = operatorName(), onTenant }: Parameters<Engine["contract"]>[0],
    signal: AbortSignal,
  ): Promise<ContractDocument> {
    return contract(await this.#switching(), { tenants, archive, now, onTenant, by }, signal);
  }

  async report(document: VerifyDocument): Promise<ReportData> {
    const { source, target } = this.#deps.systems;
    return readReport({ migration: this.#deps.file.name, version: this.#deps.version, source, target }, document);
  }

  async pause({ forMs, by }: Parameters<Engine["pause"]>[0]): Promise<ControlOutcome> {
    const isNew = await pauseMigration(this.#deps.systems.target, await this.#hand(by), forMs);
    if (!isNew) return { did: [`${this.#deps.file.name} is paused already.`] };
    const end = forMs === undefined ? "" : ` It goes on by itself at ${until(forMs)}.`;
    return {
      did: [
        `Paused: backfill and apply stop after what is under way. Capture goes on, so that the source's WAL is not held.${end}`,
      ],
    };
  }

  async resume({ by }: Parameters<Engine["resume"]>[0]): Promise<ControlOutcome> {
    const isNew = await resumeMigration(this.#deps.systems.target, await this.#hand(by));
    return { did: [isNew ? "Resumed." : `${this.#deps.file.name} is running already.`] };
  }

  async throttle({ pace, role, forMs, by }: Parameters<Engine["throttle"]>[0]): Promise<ControlOutcome> {
    await setPace(this.#deps.systems.target, await this.#hand(by), { role, pace, forMs });
    const whose = role ?? "all roles";
    if (pace === 1) return { did: [`The ceiling of ${whose} is lifted.`] };
    const end = forMs === undefined ? "until it is set anew" : `until ${until(forMs)}`;
    return { did: [`The pace of ${whose} is ${Math.round(pace * 100)} % at most, ${end}.`] };
  }

  async throttled(): Promise<ThrottleOutcome> {
    const { migration } = await this.#hand();
    const { target } = this.#deps.systems;
    const [now, changes] = await Promise.all([
      readThrottle(target, migration, this.#deps.file.throttle),
      readChanges(target, migration, SHOWN_CHANGES),
    ]);
    return { ...now, changes };
  }

  async retry({ tenants, by = operatorName() }: Parameters<Engine["retry"]>[0]): Promise<ControlOutcome> {
    await this.#requireBegun();
    const did: string[] = [];
    for (const tenant of tenants) {
      if (await releaseTenant(this.#deps.systems.target, this.#deps.file.name, tenant, by)) {
        did.push(`Tenant ${tenant} is no longer held back; it is moved from the beginning.`);
        continue;
      }
      const retried = await this.#inEitherFeed((state, name) => retryTenant(state, name, tenant, by));
      did.push(
        retried
          ? `Tenant ${tenant} goes on from the change that stopped it.`
          : `Tenant ${tenant} does not stand still; nothing was done.`,
      );
    }
    return { did };
  }

  async skip({ tenant, position, by = operatorName() }: Parameters<Engine["skip"]>[0]): Promise<ControlOutcome> {
    await this.#requireBegun();
    const skipped = await this.#inEitherFeed((state, name) => skipChange(state, name, { tenant, position, by }));
    return {
      did: [
        skipped
          ? `Tenant ${tenant} goes on without the change at ${position}; its row differs now, until it is changed again or repaired.`
          : `Tenant ${tenant} does not stand still; nothing was done.`,
      ],
    };
  }

  async resync(options: { tenants: string[] | undefined }, signal: AbortSignal): Promise<ControlOutcome> {
    const { file, systems, mirror } = this.#deps;
    await this.#requireBegun();
    const move = await resolved(file, systems);
    const there = await this.#resyncFeed(systems, move.mapping, options.tenants, signal);
    const armed = await readArmed(mirror.target, file.name);
    const units = armed?.units.filter((unit) => options.tenants?.includes(unit) !== false) ?? [];
    if (armed === undefined || units.length === 0) return { did: resyncSentences(there) };
    const home = await this.#resyncFeed(mirror, mirrorMapping(move, armed.units), units, signal);
    if (!home.newSlot && home.units.length === 0) return { did: resyncSentences(there) };
    return { did: [...resyncSentences(there), ...resyncSentences(home).map((sentence) => `The feed home: ${sentence}`)] };
  }

  async #resyncFeed(
    systems: Systems,
    mapping: Mapping,
    tenants: string[] | undefined,
    signal: AbortSignal,
  ): Promise<ResyncBegun> {
    const [row] = await systems.target.query("SELECT partitions FROM rehouse.migration WHERE name = $1", [mapping.migration]);
    const partitions = topicPartitions(mapping, Number(row?.["partitions"]));
    await systems.topic.ensure({ ...this.#deps.file.kafka, partitions });
    return beginResync({ ...systems, mapping }, tenants, signal);
  }

  async cancel(signal: AbortSignal): Promise<ControlOutcome> {
    return { did: await cancelMigration(this.#deps.file.name, this.#deps, signal) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#deps.systems.close(), ...this.#aside.map((database) => database.close())]);
  }

  async #switching(): Promise<SwitchDeps> {
    const { file, systems, mirror, stateSql, version, context } = this.#deps;
    await this.#requireBegun();
    await requireUnchanged(systems.target, file);
    armFailpoints(process.env[FAILPOINTS_VARIABLE], context.log);
    return { file, systems, mirror, stateSql, version, log: context.log, move: await resolved(file, systems) };
  }

  #armFailpoints(onEvent: (event: RunEvent) => void): void {
    const armed = armFailpoints(process.env[FAILPOINTS_VARIABLE], this.#deps.context.log);
    // Roles say so themselves when they come to one.
    if (armed.length === 0 || process.env[SUPERVISED] !== undefined) return;
    onEvent({
      level: "warning",
      role: undefined,
      text: `failpoints are on, processes will fail on purpose: ${armed.join(", ")}`,
    });
  }

  async #work(roles: readonly Role[], onEvent: (event: RunEvent) => void, signal: AbortSignal): Promise<void> {
    const { file, systems, context } = this.#deps;
    const [only] = roles;
    // A single role, too, is a process that is started again when it dies, with the memory settings of a role.
    if (only === undefined || roles.length > 1 || process.env[SUPERVISED] === undefined) {
      return supervise({ ...context, roles, onEvent }, signal);
    }
    const log = context.log.child({ role: only });
    const stage = stageOf(only, { ...this.#deps, context: { ...context, log }, onEvent });
    return runRole({ role: only, migration: file.name, target: systems.target, stage, onEvent, log }, withSupervisor(signal));
  }

  /** What the state tables say of an earlier run is not enough: all that was committed before this one has to be applied. */
  async #untilInSync(since: Lsn, signal: AbortSignal): Promise<RunOutcome["outcome"]> {
    const isApplied = ({ stopped, applied }: TenantStatus) =>
      stopped === null && applied.position !== null && parsePosition(applied.position).lsn >= since;
    // What a switched tenant's source commits is late, and nobody waits for it.
    const isThere = (tenant: TenantStatus) =>
      tenant.phase === "in-sync" ? isApplied(tenant) : tenant.held || tenant.phase === "soaking" || tenant.phase === "contracted";
    while (!signal.aborted) {
      const askedAt = performance.now();
      const status = await this.status(signal).catch((error: unknown) => {
        if (error instanceof RehouseError && (error.code === "REHOUSE_NO_MIGRATION" || error.policy === "retry"))
          return undefined;
        throw error;
      });
      const restMs = POLL_REST * (performance.now() - askedAt);
      const tenants = status?.tenants ?? [];
      const moving = tenants.filter((tenant) => !isThere(tenant));
      if (tenants.length > 0 && moving.length === 0) return "in-sync";
      if (moving.length > 0 && moving.every((tenant) => tenant.stopped !== null)) return "needs-person";
      await delay(Math.max(POLL_MS, restMs), undefined, { signal }).catch(() => undefined);
    }
    return "interrupted";
  }

  async #sourceEnd(): Promise<Lsn> {
    const [row] = await this.#deps.systems.source.query("SELECT pg_current_wal_insert_lsn() AS lsn");
    return parseLsn(row?.["lsn"] ?? "");
  }

  async #requireServers(): Promise<void> {
    const { source, target, topic, registry } = this.#deps.systems;
    await Promise.all([source.query("SELECT 1"), target.query("SELECT 1"), topic.exists(), registry.subjects("-")]);
  }

  async #hand(by = operatorName()): Promise<{ migration: string; by: string }> {
    await this.#requireBegun();
    return { migration: this.#deps.file.name, by };
  }

  /** A tenant stands still in the feed that it is in: the migration's own, or the one home. */
  async #inEitherFeed(act: (state: Database, migration: string) => Promise<boolean>): Promise<boolean> {
    const { file, systems, mirror } = this.#deps;
    if (await act(systems.target, file.name)) return true;
    const home = mirrorName(file.name);
    return (await hasBegun(mirror.target, home)) && act(mirror.target, home);
  }

  async #requireBegun(): Promise<void> {
    const { file, systems } = this.#deps;
    if (await hasBegun(systems.target, file.name)) return;
    throw new RehouseError("REHOUSE_NO_MIGRATION", {
      what: `the target knows no migration ${file.name}`,
      where: systems.target.place,
      fix: "begin it with `rehouse run`",
    });
  }
}

function until(forMs: number): string {
  return new Date(Date.now() + forMs).toISOString();
}

function resyncSentences({ newSlot, movedLanes, units }: ResyncBegun): string[] {
  return [
    newSlot ? "A new slot was made: the old one had lost changes." : "The slot is whole and was kept.",
    ...(movedLanes === 0 ? [] : [`${movedLanes} lanes go on from the topic's beginning, since it no longer has their place.`]),
    units.length === 0
      ? "No tenant has rows at the target yet, so there is nothing to compare."
      : `${units.length} tenants are compared whole by \`rehouse run\`, and what differs is read again from the source; they are in-sync after that.`,
  ];
}
