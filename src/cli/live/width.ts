/*
 * Text in columns. Names come from users' data, so they may hold anything: escape sequences that would move the cursor, characters two
 * cells wide, marks that take none.
 */

const CONTROL = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the colours of style.ts begin with one
const COLOR = /\u001b\[\d+m/g;
const NO_CELL = /^[\p{Mn}\p{Me}\p{Cf}]$/u;
const TWO_CELLS =
  /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\uff01-\uff60\u3000-\u303f]$/u;

/** The text on one line, with nothing in it that a terminal would act on. A line break stays when `lines` are wanted. */
export function printable(text: string): string {
  return text.replace(CONTROL, (character) => (character === "\n" ? "\n" : "\u00b7"));
}

export function oneLine(text: string): string {
  return printable(text).replaceAll(/\s*\n\s*/g, " ");
}

export function withoutColor(text: string): string {
  return text.replace(COLOR, "");
}

/** Cells that the text takes; our colours take none. */
export function widthOf(text: string): number {
  let cells = 0;
  for (const character of withoutColor(text)) cells += cellsOf(character);
  return cells;
}

/** At most so many cells, the end marked when something is cut. Not for text with colours. */
export function cut(text: string, cells: number): string {
  if (cells <= 0) return "";
  if (widthOf(text) <= cells) return text;
  let kept = "";
  let used = 0;
  for (const character of text) {
    used += cellsOf(character);
    if (used > cells - 1) break;
    kept += character;
  }
  return `${kept}…`;
}

export function padEnd(text: string, cells: number): string {
  return text + " ".repeat(Math.max(0, cells - widthOf(text)));
}

export function padStart(text: string, cells: number): string {
  return " ".repeat(Math.max(0, cells - widthOf(text))) + text;
}

function cellsOf(character: string): number {
  if (character <= "\u02ff") return 1;
  if (NO_CELL.test(character)) return 0;
  return TWO_CELLS.test(character) ? 2 : 1;
}
