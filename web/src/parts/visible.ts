/** Which rows of a long list are to be drawn, and which pages of it have to be there. Pure. */

export type Range = { readonly from: number; readonly to: number };

/** Rows beyond the edge, so that a turn of the wheel does not show nothing. */
const SPARE = 8;

/** `to` is not part of it. */
export function visibleRange(scrollTop: number, height: number, rowHeight: number, total: number): Range {
  const from = Math.max(0, Math.floor(scrollTop / rowHeight) - SPARE);
  return { from: Math.min(from, total), to: Math.min(total, Math.ceil((scrollTop + height) / rowHeight) + SPARE) };
}

/** The numbers of the pages that the range touches; the first where there is nothing yet. */
export function pagesOf({ from, to }: Range, size: number): number[] {
  const first = Math.floor(from / size);
  const last = Math.max(first, Math.floor((to - 1) / size));
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** Where a key leads from the row that is active; undefined: it is no key of a list. */
export function rowAfter(key: string, active: number, page: number, total: number): number | undefined {
  const last = Math.max(0, total - 1);
  const to = { ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + page, PageUp: active - page, Home: 0, End: last }[
    key
  ];
  return to === undefined ? undefined : Math.min(last, Math.max(0, to));
}

/** Where the list has to be scrolled to so that the row is seen whole; undefined: it is. */
export function scrollFor(row: number, rowHeight: number, scrollTop: number, height: number): number | undefined {
  if (row * rowHeight < scrollTop) return row * rowHeight;
  const below = (row + 1) * rowHeight - height;
  return below > scrollTop ? below : undefined;
}
