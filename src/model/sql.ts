/** The one place that puts names and literals into SQL text (Postgres manual, "Lexical Structure"). */

/** A quoted identifier. Throws for a NUL byte, which no Postgres name can hold. */
export function ident(name: string): string {
  if (name.includes("\0")) throw new RangeError("an identifier cannot hold a NUL byte");
  return `"${name.replaceAll('"', '""')}"`;
}

/** A quoted literal, correct whatever standard_conforming_strings says. */
export function literal(value: string): string {
  if (value.includes("\0")) throw new RangeError("a literal cannot hold a NUL byte");
  const quoted = `'${value.replaceAll("'", "''")}'`;
  return value.includes("\\") ? ` E${quoted.replaceAll("\\", "\\\\")}` : quoted;
}

export function qualified(name: { schema: string; table: string }): string {
  return `${ident(name.schema)}.${ident(name.table)}`;
}

/** A list of identifiers, comma separated. */
export function identList(names: Iterable<string>): string {
  return Array.from(names, ident).join(", ");
}

/** A text[] parameter as Postgres reads it (manual, "Array Input and Output Syntax"). */
export function arrayText(values: readonly (string | null)[]): string {
  return `{${values.map((value) => (value === null ? "NULL" : `"${value.replaceAll(/[\\"]/g, "\\$&")}"`)).join(",")}}`;
}
