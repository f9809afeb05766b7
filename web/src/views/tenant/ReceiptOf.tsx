/** The receipt of a contract: what was moved, compared, switched and removed, and by whom. */

import type { Receipt } from "../../api/types.ts";
import { bytes, dayAndClock, duration, whole } from "../../format.ts";
import { Figure } from "../../parts/Figure.tsx";
import { Panel } from "../../parts/Panel.tsx";

export function ReceiptOf({ receipt }: { readonly receipt: Receipt }) {
  const { by, at, from, to, moved, switched, removed, archived, dropped, lateWrites } = receipt;
  return (
    <Panel
      title="Receipt"
      beside={
        <span class="muted">
          contracted by {by}, {dayAndClock(at)}
        </span>
      }
    >
      <dl class="figures">
        <Figure name="Moved" value={whole(moved.rows)}>
          rows, and {whole(moved.changes)} changes
        </Figure>
        <Figure name="Removed" value={whole(removed.reduce((sum, table) => sum + table.removed, 0))}>
          rows from {from}
        </Figure>
        <Figure name="Late writes" value={whole(lateWrites)}>
          at the old home
        </Figure>
      </dl>
      <p class="muted">It lives at {to}.</p>
      <ul class="entries">
        {switched.map((one) => (
          <li key={one.at}>
            <time dateTime={one.at}>{dayAndClock(one.at)}</time> {one.direction} by {one.by}, writers waited{" "}
            {duration(one.fencedMs)}
          </li>
        ))}
        {removed.map(({ table, removed: rows, changedSince }) => (
          <li key={`removed ${table}`}>
            {table}: {whole(rows)} rows removed{changedSince > 0 && `, ${whole(changedSince)} had changed since the switch`}
          </li>
        ))}
        {archived.map(({ table, file, rows, bytes: size, sha256 }) => (
          <li key={`archived ${table}`}>
            {table}: {whole(rows)} rows kept in {file} ({bytes(size)}, SHA-256 <code>{sha256}</code>)
          </li>
        ))}
        {dropped.map(({ table, columns }) => (
          <li key={`dropped ${table}`}>
            {table}: columns {columns.join(", ")} dropped
          </li>
        ))}
      </ul>
    </Panel>
  );
}
