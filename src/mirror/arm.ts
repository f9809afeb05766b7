/**
 * Arms a migration's mirror for tenants: from then on every change of theirs at the target is in the mirror's topic, so that a switch can begin to
 * carry them home at any snapshot. Nothing is carried yet.
 */

import { setTimeout as delay } from "node:timers/promises";
import { extendPublication, partitionOf, provision, topicPartitions } from "../capture/index.ts";
import { begin } from "../control/begin.ts";
import { installState } from "../control/install.ts";
import { journal, journalEach } from "../control/journal.ts";
import { RehouseError } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import type { MigrationFile } from "../file/index.ts";
import { type Mapping, WHOLE_UNIT } from "../model/mapping.ts";
import { mirrorName } from "../model/mirror.ts";
import { arrayText } from "../model/sql.ts";
import type { Database } from "../ports.ts";
import type { Systems } from "../systems.ts";
import { missingIdentities, setIdentity } from "./identity.ts";
import { withMirrorLock } from "./lock.ts";
import { type ForwardMove, mirrorMapping } from "./mapping.ts";

export type MirrorDeps = {
  readonly file: Pick<MigrationFile, "name" | "digest" | "kafka">;
  readonly mirror: Pick<Systems, "source" | "target" | "slots" | "topic">;
  readonly move: ForwardMove;
  readonly stateSql: string;
  readonly version: string;
  /** Default: a minute. Capture looks every half second for what is armed, and begins anew. */
  readonly publishedWithinMs?: number;
};

/**
 * Idempotent; several may do so at once. Resolves when capture has confirmed that it publishes these tenants, so it needs a capture that runs:
 * else REHOUSE_NOT_RUNNING. The mirror's mapping does not exist: REHOUSE_PREFLIGHT.
 */
export async function armMirror(deps: MirrorDeps, tenants: readonly string[], signal: AbortSignal): Promise<void> {
  const { file, mirror, stateSql } = deps;
  // Refused before anything is made.
  mirrorMapping(deps.move, tenants);
  await installState(mirror.target, stateSql);
  const asked = await withMirrorLock(mirror.target, file.name, signal, () => prepare(deps, tenants, signal));
  await published(mirror.target, mirrorName(file.name), asked, deps.publishedWithinMs ?? PUBLISHED_WITHIN_MS, signal);
}

/** Resolves to what capture has to confirm. */
async function prepare(deps: MirrorDeps, tenants: readonly string[], signal: AbortSignal): Promise<bigint> {
  const { file, mirror, move, stateSql, version } = deps;
  const { source, target } = mirror;
  const name = mirrorName(file.name);
  const armed = await target.query("SELECT tenant FROM rehouse.tenant WHERE migration = $1", [name]);
  const mapping = mirrorMapping(move, [...new Set([...armed.map((row) => row["tenant"] ?? ""), ...tenants])]);
  const { digest, kafka } = file;
  const partitions = await begin({ file: { name, digest, kafka }, mapping, target, stateSql, version });
  await mirror.topic.ensure({ ...kafka, partitions: topicPartitions(mapping, partitions) });
  await identifyRows({ source, target, mapping }, signal);
  await extendPublication(source, target, mapping);
  await failpoint("arm.publication.after");
  await provision({ mapping, source, target, slots: mirror.slots }, signal);
  await failpoint("arm.units.before");
  return register(target, name, tenants, partitions);
}

/** Written down first, so that it can be put back. */
async function identifyRows(
  { source, target, mapping }: { readonly source: Database; readonly target: Database; readonly mapping: Mapping },
  signal: AbortSignal,
): Promise<void> {
  for (const change of await missingIdentities(source, mapping.tables)) {
    await journal(target, mapping.migration, "replica-identity", change);
    await setIdentity(source, change.relation, change.to, signal);
  }
}

async function register(target: Database, name: string, tenants: readonly string[], partitions: number): Promise<bigint> {
  const units = tenants.map((tenant) => ({ tenant, kind: tenant === WHOLE_UNIT ? ("whole" as const) : ("tenant" as const) }));
  return target.transaction(async (session) => {
    const added = await session.query(
      `INSERT INTO rehouse.tenant (migration, tenant, kind, partition, phase)
       SELECT $1, unnest($2::text[]), unnest($3::text[]), unnest($4::int[]), 'idle' ON CONFLICT DO NOTHING RETURNING tenant`,
      [
        name,
        arrayText(units.map((unit) => unit.tenant)),
        arrayText(units.map((unit) => unit.kind)),
        arrayText(units.map((unit) => String(partitionOf(unit, partitions)))),
      ],
    );
    if (added.length > 0) await journalEach(session, name, arrayText(added.map((row) => row["tenant"] ?? "")), "armed");
    const [row] = await session.query(
      "UPDATE rehouse.migration SET tenants_asked = tenants_asked + $2::bigint WHERE name = $1 RETURNING tenants_asked",
      [name, added.length > 0 ? "1" : "0"],
    );
    return BigInt(row?.["tenants_asked"] ?? "0");
  });
}

const LOOK_EVERY_MS = 50;
const PUBLISHED_WITHIN_MS = 60_000;

async function published(target: Database, name: string, asked: bigint, withinMs: number, signal: AbortSignal): Promise<void> {
  for (const deadline = Date.now() + withinMs; ; await delay(LOOK_EVERY_MS, undefined, { signal })) {
    const [row] = await target.query("SELECT tenants_seen FROM rehouse.capture WHERE migration = $1", [name]);
    if (BigInt(row?.["tenants_seen"] ?? "0") >= asked) return;
    if (Date.now() < deadline) continue;
    throw new RehouseError("REHOUSE_NOT_RUNNING", {
      what: "no capture has confirmed that it publishes the tenant's changes at the target",
      where: name,
      fix: "see that `rehouse run` works (role capture), and in `rehouse status` what it waits for; then try again",
    });
  }
}
