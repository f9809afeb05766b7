/** What was asked for and what the stream has told since, as one list. Pure. */

import type { OperationSummary } from "../../api/types.ts";
import type { Tone } from "../../parts/StatusWord.tsx";

/** As many as the server keeps. */
const MOST = 100;

/** Newest first. What has ended stays ended, whoever says so. */
export function merged(asked: readonly OperationSummary[], heard: ReadonlyMap<string, OperationSummary>): OperationSummary[] {
  const all = new Map(asked.map((operation) => [operation.id, operation]));
  for (const operation of heard.values()) if (all.get(operation.id)?.endedAt == null) all.set(operation.id, operation);
  return [...all.values()]
    .toSorted((a, b) => (a.startedAt < b.startedAt ? 1 : a.startedAt > b.startedAt ? -1 : 0))
    .slice(0, MOST);
}

/** A state in a word; of one that is done, whether the answer was yes. */
export function wordOf({ state, ok }: Pick<OperationSummary, "state" | "ok">): readonly [Tone, string] {
  switch (state) {
    case "running":
      return ["busy", "under way"];
    case "cancelling":
      return ["warn", "being cancelled"];
    case "cancelled":
      return ["idle", "cancelled"];
    case "failed":
      return ["bad", "failed"];
    case "done":
      return ok === false ? ["warn", "refused"] : ["good", "done"];
  }
}
