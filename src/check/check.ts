/**
 * The preflight: asks both servers, Kafka and the registry everything that `run` relies on, and gives all the answers that stand in its way.
 * Nothing is changed anywhere; what has to be tried is tried in transactions that are rolled back.
 */

import { readVersion } from "../catalog/index.ts";
import type { Database } from "../ports.ts";
import { redact } from "../redact.ts";
import { checkPostgresEncryption, checkServiceEncryption } from "./encryption.ts";
import { type Finding, isError } from "./finding.ts";
import { type GrantsReport, grantsFor, type RoleNames } from "./grants.ts";
import { findings, probe } from "./probe.ts";
import type { CheckDeps, Scope } from "./scope.ts";
import { checkRegistry, checkTopic } from "./services.ts";
import { checkSource } from "./source.ts";
import { checkTarget } from "./target.ts";

/** Errors first. Rejects only when `signal` aborts, or for a defect of its own. */
export async function check(deps: CheckDeps, signal: AbortSignal): Promise<Finding[]> {
  const { file, source, target, topic, registry } = deps;
  const kafkaPlace = `kafka ${file.kafka.brokers.join(",")}`;
  const registryPlace = `registry ${redact(file.registry.url)}`;
  const [sourceThere, begun, registryFindings] = await Promise.all([
    probe(`source ${source.place}`, "the server", signal, () => readVersion(source)),
    probe(`target ${target.place}`, "the server", signal, () => hasBegun(target, file.name)),
    findings(registryPlace, "the registry", signal, () => checkRegistry(registry, registryPlace)),
  ]);
  // Without the target nobody knows whose slot and topic are there: then nothing is claimed of them.
  const scope: Scope = { ...deps, signal, begun: begun.value ?? true };
  const [topicFindings, serverFindings] = await Promise.all([
    findings(kafkaPlace, "the topic", signal, () => checkTopic(topic, kafkaPlace, scope.begun)),
    sourceThere.value === undefined ? [] : checkServers(scope, begun.value !== undefined),
  ]);
  return sorted([
    ...sourceThere.findings,
    ...begun.findings,
    ...serverFindings,
    ...topicFindings,
    ...registryFindings,
    ...checkServiceEncryption(file),
  ]);
}

/** Asks only the two databases. Rejects where one of them cannot be asked. */
export async function grants(deps: Pick<CheckDeps, "file" | "source" | "target">, names: RoleNames): Promise<GrantsReport> {
  return grantsFor({ ...deps, begun: await hasBegun(deps.target, deps.file.name) }, names);
}

async function checkServers(scope: Scope, targetThere: boolean): Promise<readonly Finding[]> {
  const [source, atSource, atTarget] = await Promise.all([
    checkSource(scope),
    encryption(scope, "source"),
    targetThere ? encryption(scope, "target") : [],
  ]);
  const found = [...source.findings, ...atSource, ...atTarget];
  if (!targetThere || source.catalog === undefined) return found;
  return [...found, ...(await checkTarget(scope, source.tenants))];
}

function encryption({ file, signal, ...databases }: Scope, side: "source" | "target"): Promise<readonly Finding[]> {
  const database = databases[side];
  return findings(`${side} ${database.place}`, "whether its connection is encrypted", signal, () =>
    checkPostgresEncryption(side, database, file[side]),
  );
}

/** Whether the target knows the migration: what has its name is then its own. */
async function hasBegun(target: Database, migration: string): Promise<boolean> {
  const [state] = await target.query("SELECT to_regclass('rehouse.migration') IS NOT NULL AS there");
  if (state?.["there"] !== "t") return false;
  return (await target.query("SELECT FROM rehouse.migration WHERE name = $1", [migration])).length > 0;
}

/** Each finding once: two stages may see the same, such as a table without a key. */
function sorted(all: readonly Finding[]): Finding[] {
  const once = [
    ...new Map(all.map((finding) => [JSON.stringify([finding.code, finding.place, finding.what]), finding])).values(),
  ];
  return [...once.filter(isError), ...once.filter((finding) => !isError(finding))];
}
