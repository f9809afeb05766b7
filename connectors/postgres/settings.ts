/**
 * Session settings under which every value has one text, whatever the role, the database or postgresql.conf say: the same on both
 * servers, in the stream, in the copy and in the checksums.
 */
export const CANONICAL_SETTINGS: Readonly<Record<string, string>> = {
  TimeZone: "UTC",
  DateStyle: "ISO, YMD",
  IntervalStyle: "postgres",
  extra_float_digits: "3",
  bytea_output: "hex",
  standard_conforming_strings: "on",
};

/**
 * format_type() and pg_get_expr() leave out the schemas that are on the path. Pooled statements read catalogs and state, so their
 * names must come out complete; a session of its own runs the expressions of a migration file, which may call what is in `public`.
 */
export const POOLED_PATH = { search_path: "pg_catalog" } as const;
export const SESSION_PATH = { search_path: "pg_catalog, public" } as const;

/** The `options` of a startup message: `-c name=value`, with spaces and backslashes escaped (Postgres manual, libpq "options"). */
export function startupOptions(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${value.replaceAll("\\", "\\\\").replaceAll(" ", "\\ ")}`)
    .join(" ");
}
