/** Rows of the state tables as what they tell of. */

import { z } from "zod";
import { coded, number, optional, text } from "../catalog/fields.ts";
import type { Row } from "../ports.ts";
import type { AuditEntry, AuditOutcome, TokenRecord } from "./access.ts";
import type { AccessRole } from "./role.ts";

/** A timestamptz column under its own name, as ISO 8601. */
export function iso(column: string): string {
  return `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS ${column}`;
}

export const ROLE: Readonly<Record<AccessRole, AccessRole>> = { viewer: "viewer", operator: "operator", admin: "admin" };

const OUTCOME: Readonly<Record<AuditOutcome, AuditOutcome>> = {
  begun: "begun",
  done: "done",
  refused: "refused",
  failed: "failed",
  cancelled: "cancelled",
  denied: "denied",
};

const tenants = z.array(z.string()).nullable();
const request = z.record(z.string(), z.unknown());

export function tokenRecord(row: Row): TokenRecord {
  return {
    id: text(row, "id"),
    name: text(row, "name"),
    role: coded(row, "role", ROLE),
    createdBy: text(row, "created_by"),
    createdAt: text(row, "created_at"),
    expiresAt: optional(row, "expires_at") ?? null,
    revokedAt: optional(row, "revoked_at") ?? null,
    lastUsedAt: optional(row, "last_used_at") ?? null,
  };
}

export function auditEntry(row: Row): AuditEntry {
  return {
    entry: number(row, "entry"),
    at: text(row, "at"),
    endedAt: optional(row, "ended_at") ?? null,
    token: optional(row, "token") ?? null,
    name: text(row, "name"),
    role: optional(row, "role") === undefined ? null : coded(row, "role", ROLE),
    address: optional(row, "address") ?? null,
    action: text(row, "action"),
    tenants: tenants.parse(JSON.parse(optional(row, "tenants") ?? "null")),
    request: request.parse(JSON.parse(text(row, "request"))),
    operation: optional(row, "operation") ?? null,
    outcome: coded(row, "outcome", OUTCOME),
    code: optional(row, "code") ?? null,
  };
}
