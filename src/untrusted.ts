/** A connection that was not made since the other side could not be trusted, or has no TLS where TLS is asked for. */

import { RehouseError } from "./errors.ts";

const UNKNOWN_AUTHORITY = "its certificate is from an authority that is not trusted here";

/** Node's and OpenSSL's words, and what they mean to a person. */
const REASONS: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is signed by itself, and nobody vouches for it",
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_AUTHORITY,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_AUTHORITY,
  CERT_SIGNATURE_FAILURE: UNKNOWN_AUTHORITY,
  INVALID_CA: UNKNOWN_AUTHORITY,
  CERT_HAS_EXPIRED: "its certificate has expired",
  CERT_NOT_YET_VALID: "its certificate is not valid yet",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another host",
};

const NO_TLS = /does not support SSL|wrong version number/i;

/**
 * Undefined for any other failure. `server`: "Postgres", "Kafka", "the schema registry"; `section`: the file's keys about its TLS, such as `kafka.ssl`.
 * A certificate may be renewed, so roles try again.
 */
export function untrusted(
  error: unknown,
  { server, where, section }: { readonly server: string; readonly where: string; readonly section: string },
): RehouseError | undefined {
  for (const cause of chain(error)) {
    const reason = REASONS[codeOf(cause)];
    if (reason === undefined && !NO_TLS.test(cause.message)) continue;
    return new RehouseError("REHOUSE_TLS", {
      what:
        reason === undefined
          ? `${server} does not speak TLS, and it is asked for`
          : `${server} is not trusted: ${reason} (${cause.message})`,
      where,
      fix:
        reason === undefined
          ? `turn TLS on at the server, or off in ${section} where the network is trusted`
          : `name the authority that has signed the certificate as ca in ${section}, and as serverName the host that the certificate is for if the address has another one; or renew the certificate`,
      cause: error,
    });
  }
  return undefined;
}

/** The error, what caused it, and what it is a bundle of. */
function* chain(error: unknown, depth = 0): Generator<Error> {
  if (!(error instanceof Error) || depth > 10) return;
  yield error;
  if (error instanceof AggregateError) for (const each of error.errors) yield* chain(each, depth + 1);
  yield* chain(error.cause, depth + 1);
}

function codeOf(error: Error): string {
  const code: unknown = Reflect.get(error, "code");
  return typeof code === "string" ? code : "";
}
