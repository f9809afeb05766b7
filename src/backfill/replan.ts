import { tableText } from "../model/mapping.ts";
import type { Session } from "../ports.ts";
import type { Context } from "./deps.ts";
import { shareOf, tenantShares } from "./estimate.ts";
import { chunkLimits, insertChunks, type PlannedChunk, planRelation } from "./plan.ts";
import { leavesOf } from "./relations.ts";
import { readUnits, unitsOf } from "./units.ts";

/**
 * When a later epoch is opened: the block ranges of a relation that was rewritten meanwhile say nothing any more, and a partition may have
 * come. Their chunks are planned anew, done ones too. Nothing is deleted at the target: rows that are there already make theirs step back.
 */
export async function replanRelations(context: Context, decider: Session, holder: Session, wave: number): Promise<void> {
  const units = await readUnits(decider, context.migration, wave);
  for (const table of context.mapping.tables) {
    const members = unitsOf(units, table);
    const planned = await plannedRelations(decider, context.migration, wave, tableText(table.source));
    if (members.length === 0 || planned.size === 0) continue;
    const share = table.kind === "tenant" ? shareOf(members, await tenantShares(holder, table)) : 1;
    const leaves = await leavesOf(holder, table);
    const changed = leaves.filter((leaf) => planned.get(leaf.name) !== leaf.filenode);
    const chunks: PlannedChunk[] = changed.flatMap((leaf) =>
      planRelation(table, leaf, share, chunkLimits(context.mapping, table, context.tuning)),
    );
    const there = new Set(leaves.map((leaf) => leaf.name));
    const gone = [...planned.keys()].filter((name) => !there.has(name));
    for (const relation of [...changed.map((leaf) => leaf.name), ...gone]) {
      await decider.query("DELETE FROM rehouse.chunk WHERE migration = $1 AND wave = $2 AND relation = $3 AND tenant IS NULL", [
        context.migration,
        String(wave),
        relation,
      ]);
      context.log.warn(
        { event: "relation-rewritten", wave, relation },
        "the relation was rewritten at the source: its chunks are planned anew",
      );
    }
    await insertChunks(decider, context.migration, wave, chunks);
  }
}

/** Relations that the wave reads in ranges, with the filenode that they had. */
async function plannedRelations(decider: Session, migration: string, wave: number, source: string): Promise<Map<string, string>> {
  const rows = await decider.query(
    "SELECT DISTINCT relation, filenode FROM rehouse.chunk WHERE migration = $1 AND wave = $2 AND source = $3 AND tenant IS NULL",
    [migration, String(wave), source],
  );
  return new Map(rows.map((row) => [row["relation"] ?? "", row["filenode"] ?? ""]));
}
