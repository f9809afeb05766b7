/** The journal of a tenant as its life: the phases that it was in, one after the other, each with what happened meanwhile. Pure. */

import type { JournalEntry, Phase, Receipt } from "../../api/types.ts";
import { oneLine } from "../../format.ts";
import { PHASES } from "../tenants/phases.ts";

export type Stay = {
  /** Null: before the first phase that the journal tells of. */
  readonly phase: Phase | null;
  readonly from: string | null;
  /** Null: it is in it still. */
  readonly ms: number | null;
  /** Newest first. */
  readonly entries: readonly JournalEntry[];
};

/** Newest first, as the journal is. The feed home has phases of its own, which are events here. */
export function staysOf(journal: readonly JournalEntry[]): Stay[] {
  const stays: { phase: Phase | null; from: string | null; ms: number | null; entries: JournalEntry[] }[] = [];
  let [entries, until]: [JournalEntry[], string | null] = [[], null];
  for (const entry of journal) {
    const phase = entry.feed === "forward" ? PHASES.find((one) => one === entry.event) : undefined;
    if (phase === undefined) {
      entries.push(entry);
      continue;
    }
    stays.push({ phase, from: entry.at, ms: until === null ? null : Date.parse(until) - Date.parse(entry.at), entries });
    [entries, until] = [[], entry.at];
  }
  if (entries.length > 0) stays.push({ phase: null, from: null, ms: null, entries });
  return stays;
}

/** Longer ones are in the API's answer. */
const MOST_SAID = 300;

/** What an entry says beside its event, `name value` each. */
export function detailOf({ detail }: Pick<JournalEntry, "detail">): string {
  const said = Object.entries(detail)
    .filter(([, value]) => value !== null && value !== "")
    .map(([name, value]) => `${name} ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(", ");
  const line = oneLine(said);
  return line.length > MOST_SAID ? `${line.slice(0, MOST_SAID)}…` : line;
}

/** The API hands receipts on as they were written; one of another version may say other things. */
export function receiptOf(receipt: unknown): Receipt | null {
  return typeof receipt === "object" && receipt !== null && "formatVersion" in receipt && receipt.formatVersion === 1
    ? (receipt as Receipt)
    : null;
}

/** Names of which no path can be made: a browser takes them for steps in it. */
export function hasPath(tenant: string): boolean {
  return tenant !== "." && tenant !== "..";
}
