/** Throughput, lag and pace as they have been since this page was opened, with the moments at which something slowed them. */

import { useMemo } from "preact/hooks";
import { token } from "../../api/session.ts";
import { clock, count, duration, percent } from "../../format.ts";
import { useAsked } from "../../live/asked.ts";
import { points, marks as seen } from "../../live/live.ts";
import { inWords, type Mark, together } from "../../live/marks.ts";
import { rates } from "../../live/series.ts";
import { Panel } from "../../parts/Panel.tsx";
import { Plot } from "../../parts/Plot.tsx";

const MOST_SAID = 5;
const THROTTLE_EVERY_MS = 5_000;

export function Plots() {
  const written = useAsked("/throttle", { everyMs: THROTTLE_EVERY_MS, when: token.value !== null });
  const marks = together(written.answer?.changes ?? [], seen.value);
  const course = points.value;
  const drawn = useMemo(
    () => ({
      at: course.map(({ at }) => at),
      throughput: [
        { name: "rows", color: "--plot-1", values: rates(course, ({ rows }) => rows) },
        { name: "changes", color: "--plot-2", values: rates(course, ({ changes }) => changes) },
      ],
      lag: [
        { name: "apply", color: "--plot-1", values: course.map(({ applyLagMs }) => applyLagMs) },
        { name: "capture", color: "--plot-2", values: course.map(({ captureLagMs }) => captureLagMs) },
      ],
      pace: (["backfill", "reconcile", "apply"] as const).map((role, index) => ({
        ...{ name: role, color: `--plot-${index + 1}`, stepped: true },
        values: course.map(({ pace }) => pace[role]),
      })),
    }),
    [course],
  );
  return (
    <Panel title="How fast, and why" beside={<span class="muted">the last 15 minutes, since this page was opened</span>}>
      <div class="plots">
        <Plot title="Throughput per second" at={drawn.at} lines={drawn.throughput} marks={marks} unit={count} />
        <Plot title="Lag" at={drawn.at} lines={drawn.lag} marks={marks} unit={duration} />
        <Plot title="Pace" at={drawn.at} lines={drawn.pace} marks={marks} unit={percent} top={1} />
      </div>
      <Reasons marks={marks} />
    </Panel>
  );
}

/** What the marks on the plots stand for. */
function Reasons({ marks }: { readonly marks: readonly Mark[] }) {
  if (marks.length === 0) return null;
  return (
    <ol class="reasons" aria-label="Latest changes of the pace">
      {marks.slice(-MOST_SAID).map((mark) => (
        <li key={mark.at}>
          <time dateTime={new Date(mark.at).toISOString()}>{clock(mark.at)}</time> {inWords(mark)}
        </li>
      ))}
    </ol>
  );
}
