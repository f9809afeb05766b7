/** Whether what goes to a server can be read on the way, or be taken by somebody else. A server on this machine is asked nothing. */

import type { MigrationFile, ServerAddress, TlsSettings } from "../file/index.ts";
import type { Database } from "../ports.ts";
import { redact } from "../redact.ts";
import { type Finding, warning } from "./finding.ts";

/** The server knows whether the session is encrypted, whatever decided it: the file, the URL or the environment. */
export async function checkPostgresEncryption(
  side: "source" | "target",
  database: Database,
  server: Pick<ServerAddress, "url" | "tls">,
): Promise<Finding[]> {
  const url = new URL(server.url);
  if (isLoopback(url.searchParams.get("host") ?? url.hostname)) return [];
  const [row] = await database.query("SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()");
  const place = `${side} ${database.place}`;
  if (row?.["ssl"] !== "t")
    return [unencrypted(place, "rows and the password's proof", `${side}: { url: ..., tls: true } in the file`)];
  return takesAnybody(server, url) ? [unverified(place, `${side}.tls`)] : [];
}

/** What the file says decides alone. */
function takesAnybody({ tls }: Pick<ServerAddress, "tls">, url: URL): boolean {
  if (tls === undefined) return url.searchParams.get("sslmode") === "no-verify" || url.searchParams.get("ssl") === "no-verify";
  return tls !== false && !tls.rejectUnauthorized;
}

export function checkServiceEncryption({ kafka, registry }: Pick<MigrationFile, "kafka" | "registry">): Finding[] {
  return [...kafkaEncryption(kafka), ...registryEncryption(registry)];
}

function kafkaEncryption({ brokers, ssl, sasl }: MigrationFile["kafka"]): Finding[] {
  if (brokers.every((broker) => isLoopback(broker.replace(/:\d+$/, "")))) return [];
  const place = `kafka ${brokers.join(",")}`;
  if (ssl !== undefined) return certificateOf(ssl, place, "kafka.ssl");
  const what = sasl?.mechanism === "plain" ? "rows and the SASL password itself" : "rows";
  return [unencrypted(place, what, "kafka: { ssl: true } in the file, and the brokers' TLS listener in brokers")];
}

function registryEncryption({ url, auth, tls }: MigrationFile["registry"]): Finding[] {
  const { protocol, hostname } = new URL(url);
  if (isLoopback(hostname)) return [];
  const place = `registry ${redact(url)}`;
  if (protocol === "https:") return tls === undefined ? [] : certificateOf(tls, place, "registry.tls");
  return [
    unencrypted(
      place,
      auth === undefined ? "schemas" : "schemas and the password or token itself",
      "an https URL in registry.url",
    ),
  ];
}

function certificateOf({ rejectUnauthorized }: TlsSettings, place: string, key: string): Finding[] {
  return rejectUnauthorized ? [] : [unverified(place, key)];
}

function unencrypted(place: string, what: string, fix: string): Finding {
  return warning("unencrypted", place, `the connection is not encrypted: ${what} can be read by who is on the way`, fix);
}

function unverified(place: string, key: string): Finding {
  return warning(
    "unverified",
    place,
    "any certificate is taken: whoever is on the way can answer in the server's place",
    `name the authority that has signed the certificate as ca in ${key}, and leave verify out`,
  );
}

/** This machine: its loopback addresses, and Unix sockets, whose path stands in the place of a host. */
export function isLoopback(host: string): boolean {
  const name = decodeURIComponent(host)
    .replace(/^\[|\]$/g, "")
    .toLowerCase();
  return (
    name === "" ||
    name.startsWith("/") ||
    name === "localhost" ||
    name.endsWith(".localhost") ||
    name === "::1" ||
    /^127(\.\d{1,3}){3}$/.test(name)
  );
}
