import type { Io } from "../io.ts";

const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";
const CLEAR_LINE = "\x1b[2K";
const CLEAR_BELOW = "\x1b[0J";
const CLEAR_SCREEN = "\x1b[2J\x1b[H";
/** A terminal that knows synchronized updates shows a frame at once; others skip the sequence. */
const BEGIN_FRAME = "\x1b[?2026h";
const END_FRAME = "\x1b[?2026l";

export type Painter = {
  /** Draws the lines in the place of the last ones. No line may be wider than the terminal. */
  paint(lines: readonly string[]): void;
  /** A line that stays, above the picture. */
  log(line: string): void;
  /** Leaves the last picture and gives the cursor back. */
  stop(): void;
};

/** Redraws in place, in the terminal's normal screen: what was drawn last stays there when it is over. */
export function createPainter(io: Pick<Io, "out" | "onResize">): Painter {
  let last: readonly string[] = [];
  let resized = false;
  // Lines that a narrower terminal has wrapped cannot be counted any more.
  const unsubscribe = io.onResize(() => {
    resized = true;
  });

  const home = () => {
    if (resized) {
      resized = false;
      return CLEAR_SCREEN;
    }
    return last.length === 0 ? "" : `\x1b[${last.length}A\r`;
  };
  const drawn = (lines: readonly string[]) => lines.map((line) => `${CLEAR_LINE}${line}\n`).join("") + CLEAR_BELOW;

  return {
    paint(lines) {
      io.out(`${BEGIN_FRAME}${HIDE_CURSOR}${home()}${drawn(lines)}${END_FRAME}`);
      last = lines;
    },
    log(line) {
      io.out(`${BEGIN_FRAME}${home()}${drawn([line])}${drawn(last)}${END_FRAME}`);
    },
    stop() {
      unsubscribe();
      io.out(SHOW_CURSOR);
    },
  };
}
