import { printable } from "./width.ts";

/** Text as one word of a command line: a tenant may be any text, and the line is there to be copied, so that it has to name that one and no other. */
export function shellWord(text: string): string {
  if (/^[A-Za-z0-9_.:/@%+=][A-Za-z0-9_.:/@%+=-]*$/.test(text)) return text;
  return printable(text) === text && !text.includes("\n")
    ? `'${text.replaceAll("'", "'\\''")}'`
    : `$'${[...text].map(escaped).join("")}'`;
}

/** As bash, zsh and ksh read it between `$'` and `'`: what cannot be shown is written as its number. */
function escaped(character: string): string {
  if (character === "'" || character === "\\") return `\\${character}`;
  if (character === "\n") return "\\n";
  return printable(character) === character ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
