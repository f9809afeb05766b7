/** Which differences are asked for: it stands in the address. Pure. */

import type { Difference } from "../../api/types.ts";
import { oneLine } from "../../format.ts";

export type Choice = {
  readonly tenant: string;
  readonly table: string;
  readonly state: "open" | "gone" | "all";
  readonly feed: Difference["feed"];
};

const STATES = ["open", "gone", "all"] as const;

export function choiceOf(query: URLSearchParams): Choice {
  const state = query.get("state");
  return {
    tenant: (query.get("tenant") ?? "").slice(0, 1_000),
    table: (query.get("table") ?? "").slice(0, 200),
    state: STATES.find((one) => one === state) ?? "open",
    feed: query.get("feed") === "reverse" ? "reverse" : "forward",
  };
}

/** What is usual is left out, as in the API. */
export function queryOf({ tenant, table, state, feed }: Choice): URLSearchParams {
  const query = new URLSearchParams();
  if (tenant !== "") query.set("tenant", tenant);
  if (table !== "") query.set("table", table);
  if (state !== "open") query.set("state", state);
  if (feed !== "forward") query.set("feed", feed);
  return query;
}

export type Cell = {
  readonly column: string;
  readonly isKey: boolean;
  readonly isChanged: boolean;
  /** Undefined: the row is not there. Null is NULL. */
  readonly source: string | null | undefined;
  readonly target: string | null | undefined;
};

/** Key first, then what differs, then the rest. */
export function cellsOf({ key, columns, source, target, kind }: Difference): Cell[] {
  const changed = new Set(columns);
  const names = [...new Set([...Object.keys(key), ...columns, ...Object.keys(source ?? {}), ...Object.keys(target ?? {})])];
  const cells = names.map((column) => ({
    column,
    isKey: Object.hasOwn(key, column),
    isChanged: kind === "different" && changed.has(column),
    source: valueIn(source, column, key),
    target: valueIn(target, column, key),
  }));
  const rank = ({ isKey, isChanged }: Cell) => (isKey ? 0 : isChanged ? 1 : 2);
  return cells.toSorted((a, b) => rank(a) - rank(b));
}

function valueIn(image: Difference["source"], column: string, key: Difference["key"]): string | null | undefined {
  if (image === null) return undefined;
  // An image may leave out what the key says.
  return Object.hasOwn(image, column) ? image[column] : key[column];
}

export function keyText(key: Difference["key"]): string {
  return oneLine(
    Object.entries(key)
      .map(([column, value]) => `${column} = ${value ?? "NULL"}`)
      .join(", "),
  );
}
