import type { AccessRole } from "../access/index.ts";

/** Who asks. Without a token `token` and `name` are null. */
export type Caller = {
  /** The token's id. */
  readonly token: string | null;
  readonly name: string | null;
  readonly role: AccessRole;
  readonly address: string;
};

/** For journal and receipts, beside the `user@host` of those at a command line. */
export function signatureOf({ name, address }: Caller): string {
  return `${name ?? address} (API)`;
}

/** What the audit says of the caller. */
export function whoIs({ token, name, role, address }: Caller) {
  return { token, name: name ?? address, role, address };
}
