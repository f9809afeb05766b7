/** Colours that mean something: red for what is wrong, yellow for what waits, green for what is done, dim for what is beside the point. */
export type Style = Record<"bold" | "dim" | "red" | "green" | "yellow" | "cyan", (text: string) => string>;

const CODES = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39], cyan: [36, 39] } as const;

export function style(color: boolean): Style {
  const paint = (code: keyof typeof CODES) => (text: string) =>
    color && text !== "" ? `\x1b[${CODES[code][0]}m${text}\x1b[${CODES[code][1]}m` : text;
  return {
    bold: paint("bold"),
    dim: paint("dim"),
    red: paint("red"),
    green: paint("green"),
    yellow: paint("yellow"),
    cyan: paint("cyan"),
  };
}
