/**
 * A table of which only those rows exist that are seen, as the ARIA grid pattern has it: one stop for the Tab key, arrows move the active
 * row, Enter opens it.
 */

import type { ComponentChildren } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { whole } from "../format.ts";
import { type Range, rowAfter, scrollFor, visibleRange } from "./visible.ts";

export type Column<Row> = {
  readonly id: string;
  readonly title: string;
  /** As `grid-template-columns` has it. */
  readonly width: string;
  readonly isNumber?: boolean;
  /** Whether it can be sorted by, and which order is the first that one wants. */
  readonly sort?: "asc" | "desc";
  /** 1 is left out first where there is little room; without one it is always there. */
  readonly spare?: 1 | 2;
  readonly cell: (row: Row) => ComponentChildren;
};

export type Order = { readonly by: string; readonly order: "asc" | "desc" };

type Props<Row> = {
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  readonly total: number;
  /** Undefined: not there yet. */
  readonly rowAt: (index: number) => Row | undefined;
  readonly order: Order;
  readonly onOrder: (order: Order) => void;
  readonly onRange: (range: Range) => void;
  readonly onOpen: (row: Row) => void;
  /** Where another list begins, it is shown from its beginning. */
  readonly listKey: string;
};

/** As `--row` in the style sheet. */
const ROW_HEIGHT = 34;
const [FEW, SOME] = [560, 900];

export function VirtualTable<Row>(props: Props<Row>) {
  const { label, total, rowAt, order, onOrder, onRange, onOpen, listKey } = props;
  const [active, setActive] = useState(0);
  const [view, setView] = useState({ top: 0, height: 600, width: 1200 });
  const scroller = useRef<HTMLDivElement>(null);
  const id = useId();
  const columns = fitting(props.columns, view.width);
  const range = visibleRange(view.top, view.height, ROW_HEIGHT, total);

  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const look = () => setView({ top: element.scrollTop, height: element.clientHeight, width: element.clientWidth });
    const observer = new ResizeObserver(look);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  // Another list is the reason
  useEffect(() => {
    setActive(0);
    scroller.current?.scrollTo(0, 0);
  }, [listKey]);
  // By value
  useEffect(() => onRange(range), [range.from, range.to, listKey]);

  const onKeyDown = (event: KeyboardEvent) => {
    const element = scroller.current;
    if (element === null || event.target !== event.currentTarget || event.altKey || event.ctrlKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(view.height / ROW_HEIGHT) - 1);
    const next = rowAfter(event.key, active, page, total);
    const row = rowAt(active);
    if (next !== undefined) {
      setActive(next);
      const to = scrollFor(next, ROW_HEIGHT, element.scrollTop, element.clientHeight);
      if (to !== undefined) element.scrollTop = to;
    } else if (event.key === "Enter" && row !== undefined) onOpen(row);
    else return;
    event.preventDefault();
  };

  const template = { gridTemplateColumns: columns.map(({ width }) => width).join(" ") };
  const isDrawn = active >= range.from && active < range.to;
  return (
    <>
      <p class="hidden" role="status">
        {whole(total)} rows
      </p>
      <div
        class="grid"
        role="grid"
        aria-label={label}
        aria-rowcount={total + 1}
        aria-colcount={columns.length}
        aria-activedescendant={isDrawn ? `${id}-${active}` : undefined}
        tabIndex={0}
        onKeyDown={onKeyDown}
      >
        <div class="grid-head" role="row" aria-rowindex={1} style={template}>
          {columns.map((column) => (
            <Head key={column.id} column={column} order={order} onOrder={onOrder} />
          ))}
        </div>
        <div
          class="grid-rows"
          role="rowgroup"
          tabIndex={-1}
          ref={scroller}
          onScroll={({ currentTarget: { scrollTop } }) => setView((before) => ({ ...before, top: scrollTop }))}
        >
          <div class="grid-space" role="presentation" style={{ blockSize: `${total * ROW_HEIGHT}px` }}>
            <div class="grid-shown" role="presentation" style={{ transform: `translateY(${range.from * ROW_HEIGHT}px)` }}>
              {Array.from({ length: range.to - range.from }, (_, offset) => {
                const index = range.from + offset;
                const row = rowAt(index);
                return (
                  <div
                    key={index}
                    id={`${id}-${index}`}
                    class={`grid-row ${index === active ? "is-active" : ""}`}
                    role="row"
                    aria-rowindex={index + 2}
                    aria-selected={index === active}
                    style={template}
                    onMouseDown={() => setActive(index)}
                  >
                    {columns.map((column) => (
                      <div key={column.id} role="gridcell" class={column.isNumber === true ? "number" : ""}>
                        {row === undefined ? <span class="absent" aria-label="not loaded yet" role="img" /> : column.cell(row)}
                      </div>
                    ))}
                  </div>
                );
              })}
            </div>
          </div>
        </div>
      </div>
    </>
  );
}

type HeadProps<Row> = { readonly column: Column<Row>; readonly order: Order; readonly onOrder: (order: Order) => void };

function Head<Row>({ column: { id, title, isNumber, sort }, order, onOrder }: HeadProps<Row>) {
  const isBy = order.by === id;
  const kind = isNumber === true ? "number" : "";
  if (sort === undefined)
    return (
      <div role="columnheader" class={kind}>
        {title}
      </div>
    );
  const turned = order.order === "asc" ? "desc" : "asc";
  return (
    <div role="columnheader" class={kind} aria-sort={isBy ? (order.order === "asc" ? "ascending" : "descending") : "none"}>
      <button type="button" class="quiet" onClick={() => onOrder({ by: id, order: isBy ? turned : sort })}>
        {title}
        <span class="sort" aria-hidden="true">
          {isBy ? (order.order === "asc" ? "▲" : "▼") : ""}
        </span>
      </button>
    </div>
  );
}

function fitting<Row>(columns: readonly Column<Row>[], width: number): readonly Column<Row>[] {
  if (width < FEW) return columns.filter(({ spare }) => spare === undefined);
  return width < SOME ? columns.filter(({ spare }) => spare !== 1) : columns;
}
