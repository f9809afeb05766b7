/**
 * Settings of every session of Rehouse, given at its start, so that one value has one text wherever it is read: in the replication
 * stream, in a COPY, in a checksum. Without them a role's or database's own settings would decide (ALTER ROLE ... SET DateStyle).
 *
 * - extra_float_digits 3: the shortest text that reads back as the same float, on every version.
 * - lc_monetary C: the text of `money` would otherwise change with the locale of the server.
 * - row_security off: a statement whose rows a policy would hide is an error, where it would otherwise see and change fewer without a word.
 */
export const CANONICAL_SETTINGS: Readonly<Record<string, string>> = {
  client_encoding: "UTF8",
  TimeZone: "UTC",
  DateStyle: "ISO, MDY",
  IntervalStyle: "postgres",
  extra_float_digits: "3",
  bytea_output: "hex",
  lc_monetary: "C",
  row_security: "off",
};

/**
 * A machine that dies says goodbye to nobody. Its server would keep the transaction, and with it the locks of a lane or a chunk, for the two hours
 * that TCP waits by default; so would a process wait for a server. Each side asks the other after 15 seconds of silence, and gives it up after 15 more.
 */
export const KEEPALIVE_SETTINGS: Readonly<Record<string, string>> = {
  tcp_keepalives_idle: "15",
  tcp_keepalives_interval: "5",
  tcp_keepalives_count: "3",
};
/** Ours; Node then asks every second, ten times. */
export const KEEPALIVE_AFTER_MS = 15_000;

/**
 * The `options` parameter of a connection's startup message (manual, "libpq-connect", options): settings that hold from the first
 * statement on and need no round trip. A space or backslash in a value is escaped with a backslash.
 */
export function startupOptions(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${value.replaceAll(/[\\ ]/g, "\\$&")}`)
    .join(" ");
}

/**
 * format_type() and pg_get_expr() leave out the schemas that are on the path. Pooled statements read catalogs and state, so their
 * names must come out complete; a session of its own runs the expressions of a migration file, which may call what is in `public`.
 */
export const POOLED_PATH = { search_path: "pg_catalog" } as const;
export const SESSION_PATH = { search_path: "pg_catalog, public" } as const;
