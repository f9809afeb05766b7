/** What `rehouse init --json` prints: what was found, and what the file makes of it. Pure. */

import { tableText } from "../model/mapping.ts";
import type { Candidate } from "./candidates.ts";
import type { Care, Proposal, ProposedTable } from "./propose.ts";

export type FoundTenants = {
  column: string;
  /** Where the tenants themselves are. */
  root: { table: string; key: string } | null;
  /** Tables that have such a column. */
  tables: number;
};

export type FoundTable = {
  table: string;
  /** `through`: its tenant is its parent's, and it is left out for that. */
  kind: "tenant" | "shared" | "whole" | "through" | "left-out";
  /** The column that says the tenant, or leads to the parent. */
  column: string | null;
  parent: string | null;
  rows: number;
  bytes: number;
  partitions: number;
  cares: Care[];
};

export type InitDocument = {
  formatVersion: 1;
  migration: string;
  /** Null: none was written. */
  file: string | null;
  /** host:port/database. */
  source: string;
  /** server_version_num. */
  version: number;
  tenants: FoundTenants | null;
  candidates: FoundTenants[];
  /** In the order of the file. */
  tables: FoundTable[];
  circles: string[][];
};

export function documentOf(
  { tenants, others, tables, circles }: Proposal,
  facts: Pick<InitDocument, "migration" | "file" | "source" | "version">,
): InitDocument {
  return {
    formatVersion: 1,
    ...facts,
    tenants: tenants === undefined ? null : foundTenants(tenants),
    candidates: others.map(foundTenants),
    tables: tables.map(foundTable),
    circles: circles.map((circle) => [...circle]),
  };
}

function foundTenants({ column, root, holders }: Candidate): FoundTenants {
  return { column, root: root ?? null, tables: holders.size };
}

function foundTable({ table, role, cares }: ProposedTable): FoundTable {
  return {
    table: tableText(table.name),
    kind: role.kind,
    column: role.kind === "tenant" || role.kind === "through" ? role.column : null,
    parent: role.kind === "through" ? tableText(role.of) : null,
    rows: table.rowsEstimated,
    bytes: table.bytes,
    partitions: table.kind === "partitioned table" ? table.leaves.length : 0,
    cares: cares.map(({ code, what, fix }) => ({ code, what, fix })),
  };
}
