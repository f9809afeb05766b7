/**
 * Splits SQL text into tokens (Postgres manual, "Lexical Structure"): enough to tell names from strings and comments, never a parser.
 * The tokens' texts joined are the text again.
 */

export type Token = {
  readonly kind: "name" | "string" | "number" | "symbol" | "blank";
  readonly text: string;
  /** A name folded to lower case where it is not quoted; a string without its quotes; otherwise the text. */
  readonly value: string;
};

const PATTERNS: readonly (readonly [Token["kind"], RegExp])[] = [
  ["blank", /\s+|--[^\n]*/y],
  // E'...' knows backslashes; B, X, N and U& strings do not.
  ["string", /[eE]'(?:[^'\\]|\\[\s\S]|'')*'|(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*'/y],
  ["string", /\$((?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?)\$[\s\S]*?\$\1\$/y],
  ["name", /(?:[uU]&)?"(?:[^"]|"")*"|[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*/y],
  ["number", /\d[\w.]*|\.\d[\w.]*/y],
  ["symbol", /::|[\s\S]/y],
];

export function tokenise(sql: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < sql.length) {
    const token = sql.startsWith("/*", at) ? { kind: "blank" as const, text: blockComment(sql, at), value: "" } : next(sql, at);
    tokens.push(token);
    at += token.text.length;
  }
  return tokens;
}

function next(sql: string, at: number): Token {
  for (const [kind, pattern] of PATTERNS) {
    pattern.lastIndex = at;
    const text = pattern.exec(sql)?.[0];
    if (text !== undefined) return { kind, text, value: unquoted(kind, text) };
  }
  throw new RangeError(`no token at ${at}`);
}

function unquoted(kind: Token["kind"], text: string): string {
  if (kind === "name")
    return text.startsWith('"')
      ? text.slice(1, -1).replaceAll('""', '"')
      : text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
  if (kind === "string" && text.startsWith("'")) return text.slice(1, -1).replaceAll("''", "'");
  return text;
}

/** Block comments nest in Postgres, unlike in the standard. */
function blockComment(sql: string, from: number): string {
  let depth = 0;
  for (let at = from; at < sql.length; at++) {
    if (sql.startsWith("/*", at)) {
      depth++;
      at++;
    } else if (sql.startsWith("*/", at)) {
      depth--;
      at++;
      if (depth === 0) return sql.slice(from, at + 1);
    }
  }
  return sql.slice(from);
}

export function joined(tokens: readonly Token[]): string {
  return tokens.map((token) => token.text).join("");
}

/** A name, and whether it stands where a column can. */
export type NameAt = {
  readonly index: number;
  readonly name: string;
  readonly before: Token | undefined;
  readonly after: Token | undefined;
};

/** The names in order, each with its neighbours, blanks left out. */
export function namesIn(tokens: readonly Token[]): NameAt[] {
  const solid = tokens.flatMap((token, index) => (token.kind === "blank" ? [] : [{ token, index }]));
  return solid.flatMap(({ token, index }, place) =>
    token.kind === "name" ? [{ index, name: token.value, before: solid[place - 1]?.token, after: solid[place + 1]?.token }] : [],
  );
}

/** Splits at the commas that stand in no bracket. */
export function splitList(sql: string): string[] {
  const parts: string[] = [];
  let part = "";
  let depth = 0;
  for (const token of tokenise(sql)) {
    if (token.kind === "symbol" && "([".includes(token.text)) depth++;
    if (token.kind === "symbol" && ")]".includes(token.text)) depth--;
    if (token.kind === "symbol" && token.text === "," && depth === 0) {
      parts.push(part.trim());
      part = "";
    } else part += token.text;
  }
  return part.trim() === "" ? parts : [...parts, part.trim()];
}

/** The text between the first bracket and its match, what stands before it, and what follows. Undefined when there is none. */
export function bracketed(sql: string): { before: string; inside: string; after: string } | undefined {
  const tokens = tokenise(sql);
  const open = tokens.findIndex((token) => token.kind === "symbol" && token.text === "(");
  if (open < 0) return undefined;
  let depth = 0;
  for (const [index, token] of tokens.entries()) {
    if (token.kind !== "symbol") continue;
    if (token.text === "(") depth++;
    if (token.text === ")" && --depth === 0) {
      return {
        before: joined(tokens.slice(0, open)),
        inside: joined(tokens.slice(open + 1, index)),
        after: joined(tokens.slice(index + 1)),
      };
    }
  }
  return undefined;
}
