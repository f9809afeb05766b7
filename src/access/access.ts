/** The tokens of the HTTP API, and the record of who did what through it. */

import type { AccessRole } from "./role.ts";

export type TokenRecord = {
  id: string;
  name: string;
  role: AccessRole;
  createdBy: string;
  createdAt: string;
  expiresAt: string | null;
  revokedAt: string | null;
  /** To the minute. */
  lastUsedAt: string | null;
};

/** Whom a token stands for. */
export type TokenHolder = { readonly id: string; readonly name: string; readonly role: AccessRole };

export type AuditOutcome = "begun" | "done" | "refused" | "failed" | "cancelled" | "denied";

export type AuditEntry = {
  entry: number;
  at: string;
  endedAt: string | null;
  /** The token's id; null: at the command line. */
  token: string | null;
  name: string;
  role: AccessRole | null;
  address: string | null;
  action: string;
  /** Null: not about tenants, or about all of them. */
  tenants: string[] | null;
  request: Record<string, unknown>;
  operation: string | null;
  /** `refused`: the answer was no. `begun` of an old one: the process died before it could say how it ended. */
  outcome: AuditOutcome;
  code: string | null;
};

export type Deed = Pick<AuditEntry, "token" | "name" | "role" | "address" | "action" | "tenants" | "request" | "operation">;

export interface Access {
  /** `text` is the token itself, which nobody can find out later. REHOUSE_USAGE when a token of this name is in use. */
  createToken(of: {
    name: string;
    role: AccessRole;
    expiresInMs: number | undefined;
    by: string;
  }): Promise<{ token: TokenRecord; text: string }>;
  /** Newest first. */
  listTokens(): Promise<TokenRecord[]>;
  /** By its id, or the name of one in use. REHOUSE_NOT_FOUND where there is none. */
  revokeToken(of: { idOrName: string; by: string }): Promise<TokenRecord>;
  /** Whether anybody could be let in. */
  hasToken(): Promise<boolean>;
  /** Undefined for a token that is wrong, revoked or has expired. */
  authenticate(text: string): Promise<TokenHolder | undefined>;
  /** Before it is done; resolves to the entry's number. */
  begin(deed: Deed, outcome?: "begun" | "denied"): Promise<number>;
  end(entry: number, outcome: AuditOutcome, code: string | null): Promise<void>;
  /** Newest first, older than `before`. */
  audit(of: { before: number | undefined; limit: number }): Promise<AuditEntry[]>;
}
