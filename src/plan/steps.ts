/** The steps of a migration, in the words of this one. Pure. */

import { bytes, count, duration } from "../cli/live/numbers.ts";
import { shellWord } from "../cli/live/shell-word.ts";
import type { MigrationFile } from "../file/index.ts";
import { WHOLE_UNIT } from "../model/mapping.ts";
import type { PlanDocument, PlannedStep } from "./document.ts";

type Facts = Pick<PlanDocument, "begun" | "tenants" | "tables" | "rows" | "bytes" | "streams" | "ddl" | "measured">;

export function stepsOf(facts: Facts, rollback: MigrationFile["rollback"]): PlannedStep[] {
  const { measured } = facts;
  const step = (name: PlannedStep["step"], what: string, command: string | null, ms: number | null = null): PlannedStep => ({
    ...{ step: name, what, command, ms },
  });
  const whom = shellWord(facts.tenants === null ? WHOLE_UNIT : (facts.tenants.examples[0] ?? "T"));
  return [
    step("streams", streams(facts), "rehouse run"),
    step("expand", expanding(facts), null),
    step(
      "copy",
      `${count(facts.rows)} rows, ${bytes(facts.bytes)}, by COPY; each chunk is compared before it commits`,
      null,
      measured?.moveMs ?? null,
    ),
    step("finish", finishing(facts), null),
    step("catch up", "what was written meanwhile is applied, until each tenant is in-sync and stays so", null),
    step(
      "compare",
      "both sides, all the time at low priority, and once more in full on demand",
      "rehouse verify",
      measured?.verifyMs ?? null,
    ),
    step("cutover", cutover(facts), `rehouse cutover --tenant ${whom}`, measured?.fenceMs?.p50 ?? null),
    step(
      "soak",
      soak(rollback),
      rollback.possible ? `rehouse rollback --tenant ${whom}` : null,
      rollback.possible ? rollback.soakMs : null,
    ),
    step("contract", "its rows at the old home are removed, each compared first", `rehouse contract --tenant ${whom}`),
  ];
}

function streams({ begun, streams: { slot, topic, partitions } }: Facts): string {
  const parts = `slot and publication ${slot} at the source, topic ${topic} with ${partitions} ${partitions === 1 ? "partition" : "partitions"}, state in schema rehouse at the target`;
  return begun ? `${parts}: it has begun` : parts;
}

function expanding({ ddl, tenants, tables }: Facts): string {
  const common = ddl.find(({ tenant }) => tenant === null)?.tables ?? 0;
  const own = ddl.find(({ tenant }) => tenant !== null)?.tables ?? 0;
  const there = tables.filter(({ isThere }) => isThere).length;
  const parts = [
    ...(common === 0 ? [] : [`${common} tables for all`]),
    ...(own === 0 ? [] : [`${own} tables for each of ${count(tenants?.count ?? 0)} tenants`]),
    ...(there === 0 ? [] : [`${there} that are there already are used as they are`]),
  ];
  return parts.length === 0 ? "no table is missing" : parts.join(", ");
}

function finishing({ ddl }: Facts): string {
  const statements = ddl.reduce((sum, { finish }) => sum + finish.length, 0);
  return statements === 0
    ? "no key, index or foreign key is missing"
    : "keys, indexes and foreign keys, built when the rows are there";
}

function cutover({ measured }: Facts): string {
  const fence = measured?.fenceMs;
  const holds = fence == null ? "how long is not measured" : `for about ${duration(fence.p50)}, ${duration(fence.max)} at most`;
  return `a tenant at a time: its own writers wait (${holds}), those of others do not`;
}

function soak(rollback: MigrationFile["rollback"]): string {
  if (!rollback.possible) return "the file says that there is no way back";
  return `for ${duration(rollback.soakMs)} every write at the new home is carried back, so that a rollback loses nothing`;
}
