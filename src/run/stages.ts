/** What each role runs, built from the migration file and the systems around it. */

import { setTimeout as delay } from "node:timers/promises";
import { type ApplyDeps, runApply } from "../apply/index.ts";
import { runBackfill, waveProgress } from "../backfill/index.ts";
import { type CaptureDeps, provision, runCapture, slotName, topicPartitions } from "../capture/index.ts";
import { readCatalog } from "../catalog/index.ts";
import { check, isError, preflightError } from "../check/index.ts";
import type { Role, RunEvent } from "../cli/engine.ts";
import { begin, hasBegun, registerUnits } from "../control/begin.ts";
import { requireUnfinished } from "../control/finished.ts";
import { JournalLog } from "../control/journal-log.ts";
import { type ControlDeps, runControl, type TargetBuilder } from "../control/run.ts";
import { sweepSwitches, withdrawHeld } from "../cutover/index.ts";
import { secretColumns } from "../evidence/index.ts";
import { addColumns, expandCommon, expandTenants, finishForeignKeys, finishKeys, watchForeignWrites } from "../expand/index.ts";
import { failpoint } from "../failpoint.ts";
import type { MigrationFile } from "../file/index.ts";
import { overwriteForeignWrites } from "../foreign/index.ts";
import type { Logger } from "../log.ts";
import { type Move, readTenants, resolveMove } from "../mapping/index.ts";
import { mirrorSecrets, runMirrorControl } from "../mirror/index.ts";
import { SHARED_UNIT, WHOLE_UNIT } from "../model/mapping.ts";
import { mirrorName } from "../model/mirror.ts";
import type { Database } from "../ports.ts";
import { type ReconcileDeps, runReconcile } from "../reconcile/index.ts";
import { type FinishDeps, finishResyncs } from "../resync/index.ts";
import { type DeliverDeps, deliverRoutes, topicChannel, webhookChannel } from "../route/index.ts";
import type { EngineDeps, Systems } from "../systems.ts";
import { runThrottle } from "../throttle/control.ts";
import type { Pace } from "../throttle/index.ts";
import { together } from "../together.ts";
import type { Heart } from "./heart.ts";
import { MIRROR_PART, type Mirrored, serveMirror } from "./mirror.ts";
import { obeying } from "./obeying.ts";
import { soakStage } from "./soak.ts";
import { startTracing } from "./tracing.ts";

export type StageDeps = EngineDeps & { readonly onEvent: (event: RunEvent) => void };

type Stage = (heart: Heart, signal: AbortSignal) => Promise<void>;

export function stageOf(role: Role, deps: StageDeps): Stage {
  switch (role) {
    case "control": {
      const { file, systems, mirror, context } = deps;
      const journals = {
        there: new JournalLog(systems.target, file.name, context.log),
        home: new JournalLog(mirror.target, mirrorName(file.name), ofMirror(context.log)),
      };
      return (heart, signal) => controlStage({ ...deps, journals }, heart, signal);
    }
    case "capture":
      return (heart, signal) => captureStage(deps, heart, signal);
    case "backfill":
      return (_heart, signal) => obeying(role, deps, (pace, ended) => backfillStage(deps, pace, ended), signal);
    case "apply":
      return (heart, signal) => obeying(role, deps, (pace, ended) => applyStage(deps, heart, pace, ended), signal);
    case "reconcile":
      return (heart, signal) => obeying(role, deps, (pace, ended) => reconcileStage(deps, heart, pace, ended), signal);
  }
}

/** The file against both catalogs, for the tenants that the migration knows. Rejects with REHOUSE_PREFLIGHT when it does not hold (any more). */
export async function resolved(file: MigrationFile, { source, target }: Pick<Systems, "source" | "target">): Promise<Move> {
  return resolvedFor(file, { source, target }, await knownTenants(file, target));
}

async function resolvedFor(
  file: MigrationFile,
  { source, target }: Pick<Systems, "source" | "target">,
  tenants: readonly string[],
): Promise<Move> {
  const { move, findings } = await resolveMove({ file, source, target }, tenants);
  if (move !== undefined) return move;
  await requireUnfinished(target, file.name);
  throw preflightError(findings.filter(isError));
}

/**
 * The tenants of a list or a query are settled when the migration begins: capture publishes only theirs, so that one who joined later would
 * have no changes in the topic. With `all` every change is published, and a tenant may appear at any time.
 */
async function movingTenants(file: MigrationFile, { source, target }: Pick<Systems, "source" | "target">): Promise<string[]> {
  const known = (await hasBegun(target, file.name)) ? await knownTenants(file, target) : [];
  return known.length > 0 && file.tenants?.move.kind !== "all" ? known : tenantsNow(file, source);
}

async function knownTenants(file: MigrationFile, target: Database): Promise<string[]> {
  const rows = await target.query("SELECT tenant FROM rehouse.tenant WHERE migration = $1 AND kind = 'tenant'", [file.name]);
  return rows.map((row) => row["tenant"] ?? "");
}

async function tenantsNow(file: MigrationFile, source: Database): Promise<string[]> {
  const catalog = await readCatalog(
    source,
    file.tables.map((spec) => spec.source),
  );
  return readTenants(source, file, catalog);
}

type WithJournals = StageDeps & { readonly journals: Readonly<Record<"there" | "home", JournalLog>> };

async function controlStage(deps: WithJournals, heart: Heart, signal: AbortSignal): Promise<void> {
  const { file, systems, onEvent, journals } = deps;
  const { source, target } = systems;
  await Promise.all([journals.there.begin(), journals.home.begin()]);
  if (!(await hasBegun(target, file.name))) {
    const findings = await check({ file, ...systems }, signal);
    for (const { code, place, what } of findings.filter((finding) => !isError(finding))) {
      onEvent({ level: "warning", role: "control", text: `${code}: ${place}: ${what}` });
    }
    const errors = findings.filter(isError);
    if (errors.length > 0) throw preflightError(errors);
  }
  const tenants = await movingTenants(file, systems);
  const move = await resolvedFor(file, systems, tenants);
  const partitions = await begin({ file, mapping: move.mapping, target, stateSql: deps.stateSql, version: deps.version });
  await failpoint("begin.after");
  const throttle = {
    migration: file.name,
    slot: slotName(file.name),
    source,
    target,
    settings: file.throttle,
    log: deps.context.log,
  };
  // From here on: what is usual at the servers is best learnt before the move weighs on them.
  await together(
    [(ended) => runThrottle(throttle, ended), (ended) => controlMove(deps, heart, { move, tenants, partitions }, ended)],
    signal,
  );
}

type BegunMove = { readonly move: Move; readonly tenants: readonly string[]; readonly partitions: number };

async function controlMove(deps: WithJournals, heart: Heart, begun: BegunMove, signal: AbortSignal): Promise<void> {
  const { file, systems, journals } = deps;
  const { source, target, topic } = systems;
  let { move, tenants } = begun;
  const { partitions } = begun;
  await topic.ensure({ ...file.kafka, partitions: topicPartitions(move.mapping, partitions) });
  await provision({ mapping: move.mapping, source, target, slots: systems.slots }, signal);
  await registerUnits(target, move.mapping, tenants, partitions);
  const control: ControlDeps = {
    migration: file.name,
    source,
    target,
    builder: targetBuilder(file, () => move, target),
    withdrawHeld: () => withdrawHeld(target, file.name),
    foreignWrites: async () => {
      if (file.foreignWrites === "overwrite") await overwriteForeignWrites({ migration: file.name, source, target });
    },
    discover: async () => {
      if (file.tenants?.move.kind !== "all") return;
      const now = await readTenants(source, file, move.source);
      if (now.every((tenant) => tenants.includes(tenant))) return;
      // Their schemas may hold tables that were there before.
      move = await resolvedFor(file, systems, now);
      tenants = now;
      await registerUnits(target, move.mapping, tenants, partitions);
    },
    isCopied: async (wave) =>
      (await waveProgress(target, file.name)).find((progress) => progress.wave === wave)?.isComplete === true,
    log: deps.context.log,
  };
  const resync: FinishDeps = { ...control, mapping: () => move.mapping, secrets: secretColumns(file, move.mapping) };
  const home = ({ mapping }: Mirrored, ended: AbortSignal) => {
    const secrets = mirrorSecrets(file, move.mapping, mapping);
    const feed = {
      ...deps.mirror,
      migration: mapping.migration,
      mapping: () => mapping,
      secrets,
      log: ofMirror(deps.context.log),
    };
    return together(
      [(over) => runMirrorControl(feed, over), (over) => finishResyncs(feed, over), (over) => journals.home.run(over)],
      ended,
    );
  };
  const switching = () => ({ ...deps, log: deps.context.log, move });
  const parts = [
    (ended: AbortSignal) => runControl(control, ended),
    (ended: AbortSignal) => journals.there.run(ended),
    (ended: AbortSignal) => finishResyncs(resync, ended),
    (ended: AbortSignal) => sweepSwitches(switching, ended),
    (ended: AbortSignal) => soakStage(switching, ended),
    (ended: AbortSignal) => deliverRoutes(routeDelivery(deps), ended),
    (ended: AbortSignal) => serveMirror(deps, () => move, heart, home, ended),
  ];
  await together(parts, signal);
}

function routeDelivery({ file, systems, context }: StageDeps): DeliverDeps {
  const { routes, registry, target } = systems;
  const topic = topicChannel({ ...routes, registry, replicationFactor: file.kafka.replicationFactor });
  const { webhook } = file.route;
  const channels = webhook === undefined ? [topic] : [topic, webhookChannel(webhook)];
  return { migration: file.name, target, channels, log: context.log };
}

function targetBuilder(file: MigrationFile, move: () => Move, target: Database): TargetBuilder {
  const isOwn = (unit: string) => unit !== SHARED_UNIT && unit !== WHOLE_UNIT;
  return {
    expand: async (units, signal) => {
      await expandCommon({ move: move(), target });
      await expandTenants({ move: move(), target }, units.filter(isOwn), signal);
      await addColumns({ move: move(), target }, signal);
      const tenants = file.tenants?.move.kind === "all" ? undefined : await knownTenants(file, target);
      const secrets = secretColumns(file, move().mapping);
      await watchForeignWrites({ move: move(), target, secrets, tenants }, units, signal);
    },
    finishKeys: (units, signal) => finishKeys({ move: move(), target }, units, signal),
    finishForeignKeys: (units, signal) => finishForeignKeys({ move: move(), target }, units, signal),
  };
}

async function captureStage(deps: StageDeps, heart: Heart, signal: AbortSignal): Promise<void> {
  const { file, systems, mirror } = deps;
  if (!(await begun(deps, signal))) return;
  const move = await resolved(file, systems);
  const allTenantsMove = file.tenants === undefined || file.tenants.move.kind === "all";
  const refusesOrphans = file.tenants?.null === "refuse";
  const { version } = deps;
  const { log } = deps.context;
  await using tracing = startTracing("capture", deps);
  const { trace } = tracing;
  const there: CaptureDeps = { ...systems, mapping: move.mapping, version, allTenantsMove, refusesOrphans, log, trace };
  const home = ({ mapping, asked }: Mirrored, ended: AbortSignal) =>
    // Whoever is not armed may write rows at the target, too, which belong to nobody here.
    runCapture(
      {
        ...{ ...mirror, mapping, version, tenantsAsked: asked, trace, log: ofMirror(log) },
        ...{ allTenantsMove: false, refusesOrphans: false },
      },
      ended,
    );
  await together([(ended) => runCapture(there, ended), (ended) => serveMirror(deps, () => move, heart, home, ended)], signal);
}

function ofMirror(log: Logger): Logger {
  return log.child({ feed: MIRROR_PART });
}

async function backfillStage(deps: StageDeps, pace: Pace, signal: AbortSignal): Promise<void> {
  const { file, systems } = deps;
  if (!(await begun(deps, signal))) return;
  const move = await resolved(file, systems);
  const { target, source } = systems;
  await runBackfill(
    {
      migration: file.name,
      mapping: move.mapping,
      source,
      target,
      log: deps.context.log,
      // For measuring what the comparison costs; the reconciler compares everything anyway.
      compare: process.env["REHOUSE_COMPARE_CHUNKS"] !== "off",
      pace,
      tuning: { chunkMs: file.throttle.chunkMs },
      ensureKeys: async (wave, ended) => {
        const rows = await target.query("SELECT tenant FROM rehouse.tenant WHERE migration = $1 AND wave = $2", [
          file.name,
          String(wave),
        ]);
        await finishKeys(
          { move, target },
          rows.map((row) => row["tenant"] ?? ""),
          ended,
        );
      },
    },
    signal,
  );
}

async function applyStage(deps: StageDeps, heart: Heart, pace: Pace, signal: AbortSignal): Promise<void> {
  const { file, systems } = deps;
  if (!(await begun(deps, signal))) return;
  const move = await resolved(file, systems);
  await using tracing = startTracing("apply", deps);
  const { trace } = tracing;
  const both = { trace, pace, paused: () => pace.now() === 0 };
  const there: ApplyDeps = {
    ...{ ...systems, ...both, mapping: move.mapping },
    migration: file.name,
    foreignWrites: file.foreignWrites,
    report: (error, lane) => heart.report(error, lane),
    log: deps.context.log,
  };
  const home = ({ mapping, units }: Mirrored, ended: AbortSignal) =>
    runApply(
      {
        ...{ ...deps.mirror, ...both, mapping },
        migration: mapping.migration,
        units,
        // The fence keeps others from writing at the source.
        foreignWrites: "alert",
        report: (error, lane) => heart.report(error, `${MIRROR_PART} ${lane}`),
        log: ofMirror(deps.context.log),
      },
      ended,
    );
  await together([(ended) => runApply(there, ended), (ended) => serveMirror(deps, () => move, heart, home, ended)], signal);
}

async function reconcileStage(deps: StageDeps, heart: Heart, pace: Pace, signal: AbortSignal): Promise<void> {
  const { file, systems } = deps;
  if (!(await begun(deps, signal))) return;
  const move = await resolved(file, systems);
  const both = { direction: "forward" as const, settings: file.reconcile, pace };
  const there: ReconcileDeps = {
    ...{ ...both, migration: file.name, mapping: move.mapping, secrets: secretColumns(file, move.mapping) },
    source: systems.source,
    target: systems.target,
    log: deps.context.log,
  };
  const home = ({ mapping }: Mirrored, ended: AbortSignal) =>
    runReconcile(
      {
        ...{ ...both, migration: mapping.migration, mapping, secrets: mirrorSecrets(file, move.mapping, mapping) },
        source: deps.mirror.source,
        target: deps.mirror.target,
        log: ofMirror(deps.context.log),
      },
      ended,
    );
  await together([(ended) => runReconcile(there, ended), (ended) => serveMirror(deps, () => move, heart, home, ended)], signal);
}

const BEGUN_POLL_MS = 100;

/** Waits for the control role to have made the slot; false when the signal came first. */
async function begun({ file, systems }: StageDeps, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    if (await hasBegun(systems.target, file.name)) {
      const [row] = await systems.target.query(
        "SELECT FROM rehouse.migration AS m WHERE name = $1 AND slot_snapshot IS NOT NULL AND EXISTS (SELECT FROM rehouse.tenant AS t WHERE t.migration = m.name)",
        [file.name],
      );
      if (row !== undefined) return true;
    }
    await delay(BEGUN_POLL_MS, undefined, { signal }).catch(() => undefined);
  }
  return false;
}
