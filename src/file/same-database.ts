import type { SoundParts } from "./validate.ts";

type Server = NonNullable<SoundParts["source"]>;

/**
 * Whether two addresses name the same database, as far as text can tell. Two names of one host are not seen through; the preflight
 * compares the servers themselves.
 */
export function sameDatabase(a: Server, b: Server): boolean {
  return identity(a) === identity(b);
}

function identity(server: Server): string {
  const url = new URL(typeof server === "string" ? server : server.url);
  const host = url.searchParams.get("host") ?? url.hostname.toLowerCase();
  const user = url.searchParams.get("user") ?? url.username;
  // Postgres' own defaults: port 5432, and the database named after the user.
  const database = decodeURIComponent(url.pathname.slice(1)) || (url.searchParams.get("dbname") ?? user);
  return JSON.stringify([host, url.port || url.searchParams.get("port") || "5432", database]);
}
