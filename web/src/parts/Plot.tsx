/** A plot over time. What it shows is said in words beside it: the canvas itself is for eyes only. */

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Mark } from "../live/marks.ts";
import { theme } from "../shell/theme.ts";

export type Line = {
  readonly name: string;
  readonly color: string;
  readonly values: readonly (number | null)[];
  readonly stepped?: boolean;
};

type Props = {
  readonly title: string;
  /** ms since 1970. */
  readonly at: readonly number[];
  readonly lines: readonly Line[];
  readonly marks: readonly Mark[];
  readonly unit: (value: number | null) => string;
  /** Where the scale ends at least; without one at what there is. */
  readonly top?: number;
};

const HEIGHT = 150;
/** Plots with the same key show the same moment under the pointer. */
const SYNC = "rehouse";

export function Plot({ title, at, lines, marks, unit, top }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  const marked = useRef(marks);
  marked.current = marks;
  const colors = theme.value;
  const names = lines.map(({ name }) => name).join();

  // Drawn anew for other lines and colours only; data and marks come below
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const color = colorsOf(element);
    const drawn = new uPlot(
      {
        ...{ width: element.clientWidth, height: HEIGHT, legend: { show: false }, padding: [8, 8, 0, 0] },
        cursor: { sync: { key: SYNC }, drag: { x: false, y: false }, y: false },
        scales: { y: { range: (_, __, most) => [0, Math.max(top ?? 0, (most ?? 0) * 1.1, Number.MIN_VALUE) || 1] } },
        axes: [
          {
            stroke: color("--muted"),
            grid: { stroke: color("--line"), width: 1 },
            ticks: { show: false },
            size: 26,
            space: 90,
            values: clocks,
          },
          {
            ...{
              stroke: color("--muted"),
              grid: { stroke: color("--line"), width: 1 },
              ticks: { show: false },
              size: 58,
              space: 36,
            },
            values: (_, values) => values.map((value) => unit(value)),
          },
        ],
        series: [
          {},
          ...lines.map(({ name, color: own, stepped }) => ({
            ...{ label: name, stroke: color(own), width: 1.5, points: { show: false } },
            ...(stepped === true && uPlot.paths.stepped !== undefined ? { paths: uPlot.paths.stepped({ align: 1 }) } : {}),
          })),
        ],
        hooks: { draw: [(it) => drawMarks(it, marked.current, color("--warn"))] },
      },
      dataOf(at, lines),
      element,
    );
    plot.current = drawn;
    const observer = new ResizeObserver(() => {
      if (element.clientWidth > 0 && element.clientWidth !== drawn.width)
        drawn.setSize({ width: element.clientWidth, height: HEIGHT });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      drawn.destroy();
      plot.current = null;
    };
  }, [colors, names, top]);

  // The moments change with the lines
  useEffect(() => plot.current?.setData(dataOf(at, lines)), [at, lines]);

  return (
    <figure class="plot">
      <figcaption>
        <span class="plot-title">{title}</span>
        {lines.map(({ name, color, values }) => (
          <span key={name} class="key">
            <i aria-hidden="true" class={`swatch swatch${color}`} />
            {lines.length > 1 && <span class="muted">{name}</span>}
            <b>{unit(values.at(-1) ?? null)}</b>
          </span>
        ))}
      </figcaption>
      <div class="plot-canvas" ref={place} aria-hidden="true" />
    </figure>
  );
}

/** A dashed line where the pace changed, with a flag at its head. */
function drawMarks({ ctx, bbox, scales, valToPos }: uPlot, marks: readonly Mark[], color: string): void {
  const { min, max } = scales["x"] ?? {};
  if (min === undefined || min === null || max === undefined || max === null) return;
  const dot = devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = color;
  ctx.fillStyle = color;
  ctx.lineWidth = dot;
  for (const { at, because } of marks) {
    const seconds = at / 1000;
    if (seconds < min || seconds > max) continue;
    const x = Math.round(valToPos(seconds, "x", true));
    ctx.setLineDash([3 * dot, 3 * dot]);
    ctx.globalAlpha = because === null ? 0.45 : 0.9;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    if (because === null) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x + 7 * dot, bbox.top + 4 * dot);
    ctx.lineTo(x, bbox.top + 8 * dot);
    ctx.fill();
  }
  ctx.restore();
}

/** uPlot's moments are seconds. */
function dataOf(at: readonly number[], lines: readonly Line[]): uPlot.AlignedData {
  return [at.map((ms) => ms / 1000), ...lines.map(({ values }) => [...values])];
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

function clocks(_: uPlot, seconds: number[]): string[] {
  return seconds.map((second) => CLOCK.format(second * 1000));
}

/** A canvas knows no variables: the page is asked what colour it would give to text. */
function colorsOf(element: HTMLElement): (name: string) => string {
  return (name) => {
    element.style.color = `var(${name})`;
    const { color } = getComputedStyle(element);
    element.style.color = "";
    return color;
  };
}
