/**
 * `rehouse doctor`: what is wrong right now, and what to do. Each server is asked on its own: one that does not answer is a finding, and what the
 * others know is still told. Nothing is changed anywhere.
 */

import { slotName } from "../capture/index.ts";
import { type Answered, probe } from "../check/index.ts";
import type { DoctorReport, StatusDocument } from "../cli/documents.ts";
import { readStatus } from "../control/status.ts";
import { SHARED_UNIT } from "../model/mapping.ts";
import {
  LONG_IDLE_MS,
  type Places,
  placeOf,
  readKafkaTraces,
  readSubjects,
  readTraces,
  type Seen,
  sidesOf,
} from "../orphans/index.ts";
import { redact } from "../redact.ts";
import type { DoctorFinding } from "./finding.ts";
import { laneFindings } from "./lanes.ts";
import { orphanFindings } from "./orphans.ts";
import { processFindings, readRoles } from "./processes.ts";
import type { DoctorDeps } from "./scope.ts";
import { sequenceFindings } from "./sequences.ts";
import { mirrorFindings, streamFindings } from "./streams.ts";
import { differenceFindings, tenantFindings } from "./tenants.ts";
import { transactionFindings } from "./transactions.ts";
import { fencedTenants, heldLocks, openFences, tenantsUnderWay, unfinishedContracts, unfinishedSwitches } from "./unfinished.ts";

/** A transaction that is older has been forgotten more often than not. */
const OLD_TRANSACTION_MS = 60_000;

/** Errors first. Rejects only when `signal` aborts, or for a defect of its own. */
export async function diagnose(deps: DoctorDeps, signal: AbortSignal): Promise<DoctorReport> {
  const { file, systems } = deps;
  const places: Places = {
    ...sidesOf(file.name, systems),
    kafka: `kafka ${file.kafka.brokers.join(",")}`,
    registry: `registry ${redact(file.registry.url)}`,
  };
  const [source, target, kafka, subjects] = await Promise.all([
    probe(placeOf(places.source), "what the migration has there", signal, () => readTraces(places.source)),
    probe(placeOf(places.target), "what the migration has there", signal, () => readTraces(places.target)),
    probe(places.kafka, "the topics", signal, () => readKafkaTraces(deps)),
    probe(places.registry, "the schemas", signal, () => readSubjects(deps)),
  ]);
  const seen: Seen = { source: source.value, target: target.value, kafka: kafka.value, subjects: subjects.value };
  const hasBegun = seen.target?.state !== undefined;
  const known = hasBegun
    ? await probe(placeOf(places.target), "the state", signal, () => readKnown(deps))
    : { value: undefined, findings: [] };
  const questions = [...ofSides(deps, places, seen), ...(hasBegun ? ofMigration(deps, places, seen, known.value) : [])];
  const answers = await Promise.all(questions.map(({ place, what, ask }) => probe(place, what, signal, ask)));
  const servers: readonly Answered<unknown>[] = [source, target, kafka, subjects];
  return {
    state: seen.target === undefined ? "unknown" : hasBegun ? (known.value?.status.state ?? "unknown") : "not-begun",
    answered: servers.filter(({ value }) => value !== undefined).length,
    findings: sorted([
      ...[...servers, known, ...answers].flatMap(({ findings }) => findings),
      ...orphanFindings(places, seen),
      ...(known.value === undefined
        ? []
        : [...processFindings(known.value.status, known.value.roles), ...tenantFindings(known.value.status)]),
      ...answers.flatMap(({ value }) => value ?? []),
    ]),
  };
}

type Known = { readonly status: StatusDocument; readonly roles: ReadonlySet<string> };

async function readKnown({
  file: { name: migration, rollback, throttle },
  systems: { source, target },
}: DoctorDeps): Promise<Known> {
  const soakMs = rollback.possible ? rollback.soakMs : undefined;
  const [status, roles] = await Promise.all([
    readStatus({ migration, slot: slotName(migration), source, target, soakMs, throttle }),
    readRoles(target, migration),
  ]);
  return { status, roles };
}

type Question = { readonly place: string; readonly what: string; readonly ask: () => Promise<readonly DoctorFinding[]> };

/** What each database can be asked by itself. */
function ofSides({ file, systems, limits }: DoctorDeps, places: Places, seen: Seen): Question[] {
  const { name: migration } = file;
  const state = seen.target === undefined ? undefined : systems.target;
  const isOver = isContracted(seen);
  const isGone = seen.target !== undefined && seen.target.state === undefined;
  const both = [
    { side: places.source, traces: seen.source, home: { side: places.target, traces: seen.target } },
    { side: places.target, traces: seen.target, home: { side: places.source, traces: seen.source } },
  ];
  return both.flatMap(({ side, traces, home }) => {
    if (traces === undefined) return [];
    const at = (what: string, ask: Question["ask"]): Question => ({ place: placeOf(side), what, ask });
    const isNeeded = seen.target?.state !== undefined && !isOver;
    return [
      at("the slot and the publication", () => streamFindings(side, traces, home, isOver)),
      // Of a migration that is gone the fences are orphans.
      ...(isGone ? [] : [at("fenced tenants", () => fencedTenants(side, traces, migration, state))]),
      at("locks", () => heldLocks(side, migration, limits?.locks ?? LONG_IDLE_MS)),
      ...(isNeeded
        ? [at("open transactions", () => transactionFindings(side, limits?.transactionMs ?? OLD_TRANSACTION_MS))]
        : []),
    ];
  });
}

/** What can only be asked of a migration that has begun. */
function ofMigration(deps: DoctorDeps, places: Places, seen: Seen, known: Known | undefined): Question[] {
  const { file, systems, mirror } = deps;
  const { name: migration } = file;
  const { source: home, target: state } = systems;
  const at = placeOf(places.target);
  const { source, target } = seen;
  const isServed = known?.status.state === "running" && ["capture", "apply"].every((role) => known.roles.has(role));
  const topics = {
    place: places.kafka,
    retentionMs: file.kafka.retentionMs === -1 ? undefined : file.kafka.retentionMs,
    isServed,
  };
  const questions: Question[] = [
    { place: at, what: "switches", ask: () => unfinishedSwitches(state, migration) },
    { place: at, what: "contracts", ask: () => unfinishedContracts(state, migration, { source, isOver: isContracted(seen) }) },
    { place: at, what: "differences", ask: () => differenceFindings(state, migration) },
    { place: at, what: "sequences", ask: () => sequenceFindings(places.target, state, migration) },
  ];
  if (seen.kafka !== undefined && target?.state?.hasSlot === true)
    questions.push({
      place: places.kafka,
      what: "lanes",
      ask: () => laneFindings({ ...topics, migration, state, topic: systems.topic }),
    });
  if (source === undefined || target === undefined) return questions;
  const under = () => tenantsUnderWay(state, migration);
  questions.push(
    {
      place: placeOf(places.source),
      what: "the fence",
      ask: async () => openFences(places.source, source, target, await under()),
    },
    { place: placeOf(places.source), what: "sequences", ask: () => sequenceFindings(places.source, state, migration) },
  );
  if (!file.rollback.possible) return questions;
  questions.push({
    place: placeOf(places.source),
    what: "the feed home",
    ask: async () => mirrorFindings(places.source, source, target, await under()),
  });
  if (source.state === undefined) return questions;
  const name = places.source.stateOf;
  questions.push({ place: placeOf(places.source), what: "differences", ask: () => differenceFindings(home, name) });
  if (seen.kafka !== undefined && source.state.hasSlot)
    questions.push({
      place: places.kafka,
      what: "lanes",
      ask: () => laneFindings({ ...topics, migration: name, state: home, topic: mirror.topic }),
    });
  return questions;
}

/** Every tenant has left its old home for good. */
function isContracted({ target }: Seen): boolean {
  const phases = [...(target?.state?.tenants ?? [])].filter(([tenant]) => tenant !== SHARED_UNIT).map(([, phase]) => phase);
  return phases.length > 0 && phases.every((phase) => phase === "contracted");
}

function sorted(findings: readonly DoctorFinding[]): DoctorFinding[] {
  const once = [...new Map(findings.map((finding) => [JSON.stringify(finding), finding])).values()];
  return [...once.filter(({ severity }) => severity === "error"), ...once.filter(({ severity }) => severity === "warning")];
}
