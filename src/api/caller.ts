import type { AccessRole } from "../access/index.ts";

/** Who asks. Without a token `token` and `name` are null. */
export type Caller = {
  /** The token's id. */
  readonly token: string | null;
  readonly name: string | null;
  readonly role: AccessRole;
  readonly address: string;
};
