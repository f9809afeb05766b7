/** What `contract --json` prints. */

import type { Obstacle } from "../cutover/gate.ts";
import type { Receipt } from "./receipt.ts";

export type ContractedTenant = {
  tenant: string;
  outcome: "contracted" | "refused" | "failed";
  obstacles: Obstacle[];
  receipt: Receipt | null;
  error: { code: string; what: string; fix: string | null } | null;
};

export type ContractDocument = { formatVersion: 1; migration: string; tenants: ContractedTenant[] };
