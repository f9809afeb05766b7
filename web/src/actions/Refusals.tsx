/** What stood in the way: gates with value, limit and what to do, and rows that differ by their keys. */

import type { Obstacle, Switched } from "../api/types.ts";
import { oneLine, whole } from "../format.ts";

const MOST_ROWS = 5;

type Props = { readonly obstacles: readonly Obstacle[]; readonly differences: Switched["differences"] };

export function Refusals({ obstacles, differences }: Props) {
  const rows = differences.flatMap(({ table, differences: some }) =>
    some.map(({ key, kind }) => `${table} ${oneLine(JSON.stringify(key))}: ${kind}`),
  );
  if (obstacles.length + rows.length === 0) return null;
  return (
    <ul class="refusals">
      {obstacles.map(({ gate, value, limit, fix }) => (
        <li key={`${gate} ${value}`}>
          <b>{gate}</b>: {oneLine(value)}, limit {oneLine(limit)} <span class="muted">— {oneLine(fix)}</span>
        </li>
      ))}
      {rows.slice(0, MOST_ROWS).map((row) => (
        <li key={row}>{row}</li>
      ))}
      {rows.length > MOST_ROWS && <li class="muted">and {whole(rows.length - MOST_ROWS)} more rows</li>}
    </ul>
  );
}
