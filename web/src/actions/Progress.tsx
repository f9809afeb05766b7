/** How far an operation is, as it goes. */

import type { OperationSummary } from "../api/types.ts";
import { count, duration, fraction, oneLine, UNKNOWN } from "../format.ts";
import { Meter } from "../parts/Meter.tsx";
import { now } from "../shell/now.ts";

export function Progress({ operation, what }: { readonly operation: OperationSummary; readonly what: string }) {
  const { progress, startedAt, state } = operation;
  const part = progress === null || progress.total === null ? null : fraction(progress.done, progress.total);
  return (
    <div class="progress">
      <p role="status">{state === "cancelling" ? `${what}: it is being cancelled` : `${what} …`}</p>
      <Meter part={part} tone="busy" />
      <p class="muted">
        {progress === null
          ? ""
          : `${count(progress.done)} of ${progress.total === null ? UNKNOWN : count(progress.total)} ${progress.unit}`}
        {progress?.now != null && `, ${oneLine(progress.now)}`} {duration(Math.max(0, now.value - Date.parse(startedAt)))}
      </p>
    </div>
  );
}
