/** What a migration would do, and what is known of how long it takes. Both servers are only read. */

import { movingSizes } from "../backfill/index.ts";
import { slotName, tenantPartitions, topicPartitions } from "../capture/index.ts";
import { readCatalog } from "../catalog/index.ts";
import { isError, preflightError } from "../check/index.ts";
import { hasBegun } from "../control/begin.ts";
import { changesTopicName } from "../envelope/index.ts";
import { previewTarget } from "../expand/index.ts";
import type { MigrationFile } from "../file/index.ts";
import { readTenants, resolveMove } from "../mapping/index.ts";
import { tableText, targetOf, WHOLE_UNIT } from "../model/mapping.ts";
import { fingerprintOf, newestRehearsal } from "../rehearse/index.ts";
import type { Systems } from "../systems.ts";
import type { PlanDocument } from "./document.ts";
import { stepsOf } from "./steps.ts";

const MOST_EXAMPLES = 20;

/** REHOUSE_PREFLIGHT where the file does not fit the databases: then there is nothing to plan. */
export async function plan(
  { file, systems: { source, target } }: { readonly file: MigrationFile; readonly systems: Pick<Systems, "source" | "target"> },
  signal: AbortSignal,
): Promise<PlanDocument> {
  const catalog = await readCatalog(
    source,
    file.tables.map((spec) => spec.source),
  );
  const tenants = await readTenants(source, file, catalog);
  signal.throwIfAborted();
  const { move, findings } = await resolveMove({ file, source, target }, tenants);
  if (move === undefined) throw preflightError(findings.filter(isError));
  signal.throwIfAborted();
  const sizes = await movingSizes(source, move.tables, file.tenants?.move.kind === "all" ? undefined : tenants);
  const preview = await previewTarget({ move, target }, tenants);
  const [begun, measured] = await Promise.all([
    hasBegun(target, file.name),
    newestRehearsal(target, file.name, fingerprintOf(move)),
  ]);
  const example = tenants[0] ?? WHOLE_UNIT;
  const facts = {
    begun,
    tenants: file.tenants === undefined ? null : { count: tenants.length, examples: tenants.slice(0, MOST_EXAMPLES) },
    tables: sizes.map(({ table: { mapping }, rows, bytes }) => {
      const name = tableText(targetOf(move.mapping, mapping, example));
      return {
        ...{ table: tableText(mapping.source), kind: mapping.kind, target: name },
        ...{ isThere: move.existing.names.has(name), rows, bytes },
      };
    }),
    rows: sizes.reduce((sum, { rows }) => sum + rows, 0),
    bytes: sizes.reduce((sum, { bytes }) => sum + bytes, 0),
    streams: {
      slot: slotName(file.name),
      publication: slotName(file.name),
      topic: changesTopicName(file.name),
      partitions: topicPartitions(move.mapping, tenantPartitions(move.mapping, file.kafka.partitions)),
    },
    ddl: [...preview.units],
    findings: [...preview.findings],
    measured: measured ?? null,
  };
  return {
    ...{ formatVersion: 1, migration: file.name, source: source.place, target: target.place },
    ...facts,
    steps: stepsOf(facts, file.rollback),
  };
}
