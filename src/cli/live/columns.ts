import { cut, padEnd, padStart, widthOf } from "./width.ts";

export type Column<Row> = {
  title: string;
  align: "left" | "right";
  /** Text for a row, without colour: it may be cut. */
  text: (row: Row) => string;
  /** Colours the padded text. */
  paint?: (text: string, row: Row) => string;
  /** The widest that the column may become; the narrowest it is cut to when space is short is `min`. */
  max?: number;
  min?: number;
};

const GAP = 2;

/** Aligned columns that fit the width; where they do not, the last ones are left out, and those with `min` give way first. */
export function table<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number,
  title: (text: string) => string,
): string[] {
  let shown = columns;
  let widths = naturalWidths(shown, rows);
  while (shown.length > 1 && total(narrowest(shown, widths)) > width) {
    shown = shown.slice(0, -1);
    widths = naturalWidths(shown, rows);
  }
  widths = squeezed(shown, widths, width);
  const line = (cellOf: (column: Column<Row>) => string, paint: (text: string, column: Column<Row>) => string) =>
    shown
      .map((column, index) => {
        const cells = widths[index] ?? 0;
        const text = cut(cellOf(column), cells);
        if (column.align === "right") return paint(padStart(text, cells), column);
        return paint(index === shown.length - 1 ? text : padEnd(text, cells), column);
      })
      .join(" ".repeat(GAP));
  return [
    line(
      (column) => column.title,
      (text) => title(text),
    ),
    ...rows.map((row) =>
      line(
        (column) => column.text(row),
        (text, column) => column.paint?.(text, row) ?? text,
      ),
    ),
  ];
}

function naturalWidths<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): number[] {
  return columns.map(({ title, text, max }) => {
    let widest = widthOf(title);
    for (const row of rows) widest = Math.max(widest, widthOf(text(row)));
    return Math.min(widest, max ?? widest);
  });
}

function narrowest<Row>(columns: readonly Column<Row>[], widths: readonly number[]): number[] {
  return widths.map((width, index) => Math.min(width, columns[index]?.min ?? width));
}

/** Takes from the columns that can give, the widest first, until the line fits. */
function squeezed<Row>(columns: readonly Column<Row>[], widths: readonly number[], width: number): number[] {
  const result = [...widths];
  const least = narrowest(columns, widths);
  let over = total(result) - width;
  while (over > 0) {
    let widest = -1;
    for (const [index, cells] of result.entries()) {
      if (cells > (least[index] ?? cells) && (widest === -1 || cells > (result[widest] ?? 0))) widest = index;
    }
    if (widest === -1) break;
    result[widest] = (result[widest] ?? 0) - 1;
    over--;
  }
  return result;
}

function total(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width, 0) + GAP * Math.max(0, widths.length - 1);
}
