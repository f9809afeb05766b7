import { oneLine } from "./width.ts";

/** Text as one word of a command line: a tenant may be any text, and the line is there to be copied. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_.:/@%+=][A-Za-z0-9_.:/@%+=-]*$/.test(text) ? text : `'${oneLine(text).replaceAll("'", "'\\''")}'`;
}
