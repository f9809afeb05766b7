/**
 * What pg makes of a URL and of what is said of TLS beside it. Where TLS is on, the server's certificate is verified in full (its authority and its host
 * name), whatever a URL's `sslmode` is called: libpq's `require` trusts anybody, and pg reads that word in two ways from one major version to the next.
 */

import { type ConnectionOptions, checkServerIdentity, type PeerCertificate } from "node:tls";
import type { ClientConfig } from "pg";

/** Parameters of a URL that say something about TLS. */
const TLS_PARAMETERS = ["ssl", "sslmode", "sslcert", "sslkey", "sslrootcert", "sslnegotiation", "uselibpqcompat"];

/** What pg is given for an address. `tls` undefined: what the URL says; else it decides alone. */
export function connectionTo(
  url: string,
  tls: ConnectionOptions | boolean | undefined,
): Pick<ClientConfig, "connectionString" | "ssl"> {
  const parsed = new URL(url);
  parsed.pathname = decodable(parsed.pathname);
  if (tls === undefined) return { connectionString: verifying(parsed) };
  // pg lets a parameter of the URL win over what it is given beside.
  for (const parameter of TLS_PARAMETERS) parsed.searchParams.delete(parameter);
  return { connectionString: parsed.href, ssl: typeof tls === "boolean" ? tls : underName(tls) };
}

/** pg leaves `%3B` and its like in a database's name as they are written; as themselves it takes them. */
function decodable(pathname: string): string {
  try {
    return encodeURI(decodeURIComponent(pathname));
  } catch {
    // No encoding at all, but a percent sign of the name's own.
    return pathname;
  }
}

/** With the modes that mean less than they promise made `verify-full`. */
function verifying(url: URL): string {
  const mode = url.searchParams.get("sslmode");
  if (mode === "prefer" || mode === "require" || mode === "verify-ca") url.searchParams.set("sslmode", "verify-full");
  url.searchParams.delete("uselibpqcompat");
  return url.href;
}

/** pg asks for the host of the URL, and puts it in the place of any other name. */
function underName(tls: ConnectionOptions): ConnectionOptions {
  const { servername } = tls;
  if (servername === undefined) return tls;
  return {
    ...tls,
    checkServerIdentity: (_host: string, certificate: PeerCertificate) => checkServerIdentity(servername, certificate),
  };
}
