/**
 * Settings of every session of Rehouse, given at its start, so that one value has one text wherever it is read: in the replication
 * stream, in a COPY, in a checksum. Without them a role's or database's own settings would decide (ALTER ROLE ... SET DateStyle).
 *
 * - extra_float_digits 3: the shortest text that reads back as the same float, on every version.
 * - lc_monetary C: the text of `money` would otherwise change with the locale of the server.
 */
export const CANONICAL_SETTINGS: Readonly<Record<string, string>> = {
  client_encoding: "UTF8",
  TimeZone: "UTC",
  DateStyle: "ISO, MDY",
  IntervalStyle: "postgres",
  extra_float_digits: "3",
  bytea_output: "hex",
  lc_monetary: "C",
};

/**
 * The `options` parameter of a connection's startup message (manual, "libpq-connect", options): settings that hold from the first
 * statement on and need no round trip. A space or backslash in a value is escaped with a backslash.
 */
export function startupOptions(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${value.replaceAll(/[\\ ]/g, "\\$&")}`)
    .join(" ");
}
