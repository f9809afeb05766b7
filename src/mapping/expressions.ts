/** What can be said of a mapping expression by its tokens alone. Where they cannot decide, the answer errs to the safe side. */

import { ident } from "../model/sql.ts";
import { joined, type NameAt, namesIn, type Token, tokenise } from "./tokens.ts";

/** The source row as an expression sees it: the table's bare name, and its columns. */
export type RowShape = { readonly alias: string; readonly columns: readonly string[] };

/**
 * The columns that the expression may read. A name that could be a column counts as one, whatever it is (a function, a type): one too many
 * costs a refetch at worst. A use of the whole row is a use of every column.
 */
export function columnsUsed(expression: string, row: RowShape): string[] {
  const tokens = tokenise(expression);
  const names = namesIn(tokens);
  const wholeRow = names.some(
    ({ name, after, index }) => name === row.alias && !(after?.text === "." && isFollowedByName(tokens, index)),
  );
  if (wholeRow || tokens.some((token) => token.kind === "name" && /^u&/i.test(token.text))) return [...row.columns];
  const found = new Set(names.map((at) => at.name));
  return row.columns.filter((column) => found.has(column));
}

/** The column when the expression is nothing but that column: `status`, `"Status"`, `orders.status`. */
export function plainColumn(expression: string, row: RowShape): string | undefined {
  const solid = tokenise(expression).filter((token) => token.kind !== "blank");
  const [first, dot, second] = solid;
  const column =
    solid.length === 1
      ? first
      : solid.length === 3 && dot?.text === "." && first?.kind === "name" && first.value === row.alias
        ? second
        : undefined;
  return column?.kind === "name" && row.columns.includes(column.value) ? column.value : undefined;
}

export function columnReference(row: Pick<RowShape, "alias">, column: string): string {
  return `${ident(row.alias)}.${ident(column)}`;
}

/** The expression such that nothing after it can become part of a comment. */
export function closed(expression: string): string {
  const last = tokenise(expression).at(-1);
  return last?.text.startsWith("--") ? `${expression}\n` : expression.trim();
}

/** Whether the brackets match and nothing could end the statement that the expression is put into. */
export function isOneExpression(expression: string): boolean {
  let depth = 0;
  for (const token of tokenise(expression)) {
    if (token.kind === "symbol" && token.text === ";") return false;
    if (token.kind === "symbol" && "\"'".includes(token.text)) return false;
    if (token.kind === "blank" && token.text.startsWith("/*") && !token.text.endsWith("*/")) return false;
    if (token.kind !== "symbol") continue;
    if ("([".includes(token.text)) depth++;
    if (")]".includes(token.text) && --depth < 0) return false;
    if (token.text === "," && depth === 0) return false;
  }
  return depth === 0;
}

/** The names that are called: `name(`. */
export function functionsCalled(expression: string): string[] {
  return namesIn(tokenise(expression)).flatMap((at) => (at.after?.text === "(" ? [at.name] : []));
}

export function mentions(expression: string, word: string): boolean {
  return namesIn(tokenise(expression)).some((at) => at.name === word);
}

/** Puts another expression in the place of each column that has one. */
export function inlined(expression: string, replacements: ReadonlyMap<string, string>, row: RowShape): string {
  const tokens = [...tokenise(expression)];
  for (const at of namesIn(tokens)) {
    const replacement = replacements.get(at.name);
    if (replacement === undefined || !standsForColumn(at, row.alias, tokens)) continue;
    if (at.before?.text === ".") blankQualifier(tokens, at.index);
    tokens[at.index] = { kind: "symbol", text: `(${replacement})`, value: "" };
  }
  return joined(tokens);
}

/**
 * The expression, as Postgres prints it, with columns under other names; undefined when a name's meaning is in doubt, or a column is
 * not in `names`.
 */
export function renamed(expression: string, columns: readonly string[], names: ReadonlyMap<string, string>): string | undefined {
  const tokens = [...tokenise(expression)];
  for (const at of namesIn(tokens)) {
    if (!columns.includes(at.name)) continue;
    // After a dot it is a field or a function in a schema, after :: a type, before a bracket a function.
    if (at.before?.text === "." || at.before?.text === "::" || at.after?.text === "(" || at.after?.text === ".") continue;
    const name = names.get(at.name);
    if (name === undefined) return undefined;
    if (name === at.name) continue;
    if (DEPARSED_WORDS.has(at.name) && !tokens[at.index]?.text.startsWith('"')) return undefined;
    tokens[at.index] = { kind: "name", text: ident(name), value: name };
  }
  return joined(tokens);
}

/** Words that Postgres prints bare in an expression and that a column may be called as well. */
const DEPARSED_WORDS = new Set(
  (
    "at century content day days decade document dow doy epoch escape false filter for from hour interval is isodow isoyear julian local microseconds millennium " +
    "milliseconds minute month name nfc nfd nfkc nfkd normalized null of over path precision quarter row second separator text time timezone timezone_hour " +
    "timezone_minute to true value varying week with within without year zone"
  ).split(" "),
);

function standsForColumn(at: NameAt, alias: string, tokens: readonly Token[]): boolean {
  if (at.after?.text === "(" || at.before?.text === "::") return false;
  if (at.before?.text !== ".") return true;
  const names = namesIn(tokens.slice(0, at.index));
  return names.at(-1)?.name === alias;
}

/** Blanks the `alias .` in front of a column. */
function blankQualifier(tokens: Token[], index: number): void {
  let left = 2;
  for (let i = index - 1; i >= 0 && left > 0; i--) {
    if (tokens[i]?.kind === "blank") continue;
    tokens[i] = { kind: "blank", text: "", value: "" };
    left--;
  }
}

function isFollowedByName(tokens: readonly Token[], index: number): boolean {
  const solid = tokens.slice(index + 1).filter((token) => token.kind !== "blank");
  return solid[0]?.text === "." && solid[1]?.kind === "name";
}

/** Every name in the expression, whatever it stands for. */
export function namesUsed(expression: string): string[] {
  return namesIn(tokenise(expression)).map((at) => at.name);
}
