/** One rehearsal: a copy, the whole move on it, a report that is kept, and nothing left of the rest, whatever happens. */

import { isError, preflightError } from "../check/index.ts";
import type { Engine, EngineContext } from "../cli/engine.ts";
import { installState } from "../control/install.ts";
import { takeTurn } from "../cutover/turn.ts";
import { RehouseError } from "../errors.ts";
import type { MigrationFile } from "../file/index.ts";
import { resolveMove } from "../mapping/index.ts";
import { tableText, WHOLE_UNIT } from "../model/mapping.ts";
import type { Database } from "../ports.ts";
import { asRehouseError } from "../server-failure.ts";
import type { Elsewhere, Systems } from "../systems.ts";
import { type Copied, copySource, copyTargetTables, writeTenants } from "./copy.ts";
import type { Lacking, RehearsalDocument } from "./document.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { Ended, Found } from "./found.ts";
import { Ground } from "./ground.ts";
import { travel } from "./journey.ts";
import { predict } from "./predict.ts";
import { recordBegun, recordEnded } from "./records.ts";
import { rehearsalEnvironment, type Whereabouts } from "./rehearsal-file.ts";
import { evenly } from "./sample.ts";
import { readSubject, type Subject } from "./subject.ts";
import { Traffic } from "./traffic.ts";

export type RehearseDeps = {
  readonly file: MigrationFile;
  readonly context: EngineContext;
  readonly systems: Pick<Systems, "source" | "target">;
  readonly elsewhere: Elsewhere;
  readonly stateSql: string;
};

export type RehearseRequest = Parameters<Engine["rehearse"]>[0];

/** Clients write to so many tenants, evenly chosen. */
const MOST_WRITING = 50;

/** Rejects where it cannot begin, and with the signal's reason; what is found on the way is in the document. */
export async function rehearse(deps: RehearseDeps, request: RehearseRequest, signal: AbortSignal): Promise<RehearsalDocument> {
  try {
    return await rehearsed(deps, request, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw asRehouseError(error);
  }
}

async function rehearsed(deps: RehearseDeps, request: RehearseRequest, signal: AbortSignal): Promise<RehearsalDocument> {
  const { file, elsewhere, stateSql } = deps;
  const { source, target } = deps.systems;
  await installState(target, stateSql);
  await using _turn = await requireTurn(target, file.name);
  const subject = await readSubject({ file, source, target }, request.sample);
  const at = { on: request.on ?? null, inPlace: subject.move.inOneDatabase };
  await using ground = new Ground({ file, source, target, elsewhere, at });
  const lacking = await ground.prepare();
  return new Rehearsal(deps, request, { subject, ground, at, lacking }).play(signal);
}

async function requireTurn(target: Database, migration: string): Promise<AsyncDisposable> {
  const turn = await takeTurn(target, migration, "(rehearsal)");
  if (turn !== undefined) return turn;
  throw new RehouseError("REHOUSE_REHEARSAL", {
    what: `another rehearsal of ${migration} is under way`,
    where: target.place,
    fix: "wait until it has ended",
  });
}

type Stage = {
  readonly subject: Subject;
  readonly ground: Ground;
  readonly at: Whereabouts;
  readonly lacking: readonly Lacking[];
};

class Rehearsal {
  readonly #deps: RehearseDeps;
  readonly #request: RehearseRequest;
  readonly #subject: Subject;
  readonly #ground: Ground;
  readonly #at: Whereabouts;
  readonly #found: Found;
  readonly #lacking: Lacking[];
  #copied: Copied | undefined;

  constructor(deps: RehearseDeps, request: RehearseRequest, { subject, ground, at, lacking }: Stage) {
    this.#deps = deps;
    this.#request = request;
    this.#subject = subject;
    this.#ground = ground;
    this.#at = at;
    this.#lacking = [...lacking];
    this.#found = new Found(request.onStep);
  }

  async play(signal: AbortSignal): Promise<RehearsalDocument> {
    const { file, systems } = this.#deps;
    const fingerprint = fingerprintOf(this.#subject.move);
    const begun = await recordBegun(systems.target, file.name, fingerprint);
    let unfinished: { readonly why: unknown } | undefined;
    try {
      await this.#found.take("copy", () => this.#copy(signal), signal);
      await this.#travel(signal);
    } catch (error) {
      if (!(error instanceof Ended)) unfinished = { why: error };
    }
    for (const problem of await this.#ground.clear(this.#request.keep)) this.#found.warnings.add(problem);
    const document = this.#document({ ...begun, fingerprint }, unfinished !== undefined);
    await recordEnded(systems.target, document);
    if (unfinished !== undefined) throw unfinished.why;
    return document;
  }

  /** Resolves to the rows of the copy. */
  async #copy(signal: AbortSignal): Promise<number> {
    const { file, systems } = this.#deps;
    const { chosen, conditions, sourceTables, targetTables } = this.#subject;
    const ground = this.#ground;
    this.#copied = await copySource({ file, from: systems.source, scratch: ground.source }, sourceTables, conditions, signal);
    const copied = this.#at.inPlace ? new Set(sourceTables.map(tableText)) : new Set<string>();
    const lackingThere = await copyTargetTables(
      { file, from: systems.target, scratch: ground.target },
      targetTables.filter((name) => !copied.has(tableText(name))),
    );
    this.#lacking.push(...this.#copied.lacking, ...lackingThere);
    await writeTenants(ground.source, chosen);
    return this.#copied.rows;
  }

  async #travel(signal: AbortSignal): Promise<void> {
    const { context, elsewhere } = this.#deps;
    const { file } = this.#ground;
    await using engine = await elsewhere.engine(file, { ...context, env: rehearsalEnvironment(this.#at) });
    const canGoBack = file.rollback.possible;
    await travel({ engine, found: this.#found, startTraffic: () => this.#startTraffic(), canGoBack }, signal);
  }

  async #startTraffic(): Promise<Traffic> {
    const { elsewhere } = this.#deps;
    const { file, source, target } = this.#ground;
    const { chosen } = this.#subject;
    const { move, findings } = await resolveMove({ file, source, target }, chosen);
    if (move === undefined) throw preflightError(findings.filter(isError));
    const units = file.tenants === undefined ? [WHOLE_UNIT] : evenly(chosen, MOST_WRITING);
    const pool = (side: "source" | "target", connections: number) => elsewhere.pool(file[side], connections);
    return Traffic.start({ move, units, source, pool, rate: this.#request.rate });
  }

  #document(begun: { id: string; began: string; fingerprint: string }, isUnfinished: boolean): RehearsalDocument {
    const found = this.#found;
    const { whole, tenants, chosen } = this.#subject;
    const { rows = 0, bytes = 0, pruned = 0 } = this.#copied ?? {};
    const copied = { rows, bytes, pruned, tenants: chosen.length };
    const all = this.#request.sample.kind === "whole" ? { rows, bytes } : whole;
    const sizes = { copied, whole: { ...all, tenants: tenants.length } };
    return {
      formatVersion: 1,
      migration: this.#deps.file.name,
      ...begun,
      ended: new Date().toISOString(),
      outcome: isUnfinished ? "interrupted" : found.outcome,
      sample: this.#request.sample,
      ...sizes,
      steps: found.steps,
      failure: found.failure,
      stops: found.stops,
      differences: found.differences,
      omitted: found.omitted,
      fence: found.fence,
      obstacles: found.obstacles,
      lateWrites: found.lateWrites,
      traffic: found.traffic,
      predicted: predict({ ...sizes, fence: found.fence }, found),
      warnings: [...found.warnings],
      kept: this.#request.keep ? this.#ground.databases : [],
      lacking: this.#lacking,
    };
  }
}
