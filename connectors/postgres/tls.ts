/**
 * Whether a connection is encrypted, and whom it trusts. Where TLS is on, the server's certificate is verified in full (its authority and its host
 * name), whatever a URL's `sslmode` is called: libpq's `require` trusts anybody, and pg reads that word in two ways from one major version to the next.
 */

import { type ConnectionOptions, checkServerIdentity, type PeerCertificate } from "node:tls";
import type { ClientConfig } from "pg";

/** Parameters of a URL that say something about TLS. */
const TLS_PARAMETERS = ["ssl", "sslmode", "sslcert", "sslkey", "sslrootcert", "sslnegotiation", "uselibpqcompat"];

/** What pg is given for an address. `tls` undefined: what the URL says; else it decides alone. */
export function withTls(
  url: string,
  tls: ConnectionOptions | boolean | undefined,
): Pick<ClientConfig, "connectionString" | "ssl"> {
  const parsed = new URL(url);
  if (tls === undefined) return { connectionString: verifying(parsed) };
  // pg lets a parameter of the URL win over what it is given beside.
  for (const parameter of TLS_PARAMETERS) parsed.searchParams.delete(parameter);
  return { connectionString: parsed.href, ssl: typeof tls === "boolean" ? tls : underName(tls) };
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
