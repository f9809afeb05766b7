import { RehouseError } from "../errors.ts";
import { redact } from "../redact.ts";

/** A place in the file: keys and list indexes from the top. */
export type Path = readonly (string | number)[];

/** One thing that is wrong with the file. */
export type Mistake = {
  /** `tables.orders.columns`; keys that are not plain words in brackets. Empty for the file itself. */
  path: string;
  /** Line in the file, from 1; null where the file has none to give (a TypeScript file). */
  line: number | null;
  found: string;
  expected: string;
  /** The right name that is nearest to a wrong one. */
  nearest: string | null;
};

/** A mistake before it is turned into text: with its path in pieces. */
export type Finding = { path: Path; found: string; expected: string; nearest?: string | undefined; line?: number | undefined };

/** REHOUSE_FILE_INVALID, with every mistake of the file. */
export class MigrationFileError extends RehouseError {
  readonly file: string;
  readonly mistakes: readonly Mistake[];

  constructor(file: string, mistakes: readonly Mistake[]) {
    super("REHOUSE_FILE_INVALID", {
      what: [
        `${file} has ${mistakes.length === 1 ? "a mistake" : `${mistakes.length} mistakes`}:`,
        ...mistakes.map((mistake) => `  ${formatMistake(mistake)}`),
      ].join("\n"),
      where: mistakes[0]?.line ? `${file}:${mistakes[0].line}` : file,
      fix: "correct the lines above; docs/migration-file.md describes every key",
    });
    this.file = file;
    this.mistakes = mistakes;
  }

  override toJSON() {
    return { ...super.toJSON(), mistakes: this.mistakes };
  }
}

export function formatMistake({ path, line, found, expected, nearest }: Mistake): string {
  const place = [path === "" ? undefined : path, line === null ? undefined : `line ${line}`].filter((part) => part !== undefined);
  const suggestion = nearest === null ? "" : `; did you mean ${nearest}?`;
  return `${place.length > 1 ? `${place[0]} (${place[1]})` : (place[0] ?? "the file")}: found ${found}, expected ${expected}${suggestion}`;
}

export function formatPath(path: Path): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else if (/^[A-Za-z_$][\w$-]*$/.test(part)) text += text === "" ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text;
}

/** Keys whose value is a secret, or is one when it is written in a way that the schema does not know (`auth: user:password`). */
const SECRET_KEYS = /^(password|token|key|auth|sasl|secret)$/;
const LONGEST = 80;

/** What stands at a path, short and without secrets: of a value that may hold one only its kind is said. */
export function describe(value: unknown, path: Path = []): string {
  if (value === undefined || value === null) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object") return Object.keys(value).length === 0 ? "an empty map" : "a map";
  if (path[0] !== "tables" && SECRET_KEYS.test(String(path.at(-1)))) return `a ${typeof value} (not shown)`;
  if (typeof value === "string") return JSON.stringify(shortened(redact(value)));
  return typeof value === "function" ? "a function" : shortened(String(value));
}

function shortened(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST - 1)}…`;
}
