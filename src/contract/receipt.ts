/** The receipt of a tenant's move: what an auditor asks for when nothing is left at the old home. */

import type { Row, Session } from "../ports.ts";
import type { ArchivedTable } from "./archive.ts";
import type { RemovedTable } from "./remove.ts";

export type DroppedColumns = { readonly table: string; readonly columns: readonly string[] };

export type Receipt = {
  formatVersion: 1;
  migration: string;
  tenant: string;
  version: string;
  /** `user@host`. */
  by: string;
  at: string;
  /** host:port/database. */
  from: string;
  to: string;
  /** Rows that were copied, and changes that were applied on top of them, both ways. */
  moved: { rows: number; changes: number };
  /** The last comparison of all rows before they were removed; `unsettled`: the target's application wrote them at every look. */
  compared: { table: string; rows: number; hash: string; differences: number; unsettled: number; at: string }[];
  /** Every switch of this migration, in order. */
  switched: { direction: string; at: string; fencedMs: number | null; by: string }[];
  removed: RemovedTable[];
  archived: ArchivedTable[];
  /** Old columns of tables that stayed where they are: they go with the last tenant. */
  dropped: DroppedColumns[];
  lateWrites: number;
};

/** All that the state knows by now; `removed` and `archived` are of this contract. */
export async function makeReceipt(
  on: Pick<Session, "query">,
  of: Pick<Receipt, "migration" | "tenant" | "version" | "by" | "from" | "to" | "removed" | "archived" | "dropped">,
): Promise<Receipt> {
  const params = [of.migration, of.tenant];
  const [tenant] = await on.query(
    `SELECT rows_copied, changes, to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at,
            (SELECT count(*) FROM rehouse.late_write AS w WHERE w.migration = t.migration AND w.tenant = t.tenant) AS late
       FROM rehouse.tenant AS t WHERE migration = $1 AND tenant = $2`,
    params,
  );
  const switches = await on.query(
    `SELECT j.detail ->> 'direction' AS direction, j.detail ->> 'switchedAt' AS at, j.detail ->> 'fencedMs' AS fenced_ms, j.detail ->> 'by' AS by
       FROM rehouse.journal AS j JOIN rehouse.migration AS m ON m.name = j.migration
      WHERE j.migration = $1 AND j.tenant = $2 AND j.event = 'switched' AND j.at >= m.created_at ORDER BY j.entry`,
    params,
  );
  const compared = await on.query(
    `SELECT j.detail ->> 'table' AS table, j.detail ->> 'rows' AS rows, j.detail ->> 'hash' AS hash, j.detail ->> 'differences' AS differences,
            j.detail ->> 'unsettled' AS unsettled, j.detail ->> 'at' AS at
       FROM rehouse.journal AS j WHERE migration = $1 AND tenant = $2 AND event = 'contract-compared'
        AND entry > (SELECT coalesce(max(entry), 0) FROM rehouse.journal WHERE migration = $1 AND tenant = $2 AND event = 'contract-begun') ORDER BY entry`,
    params,
  );
  const number = (row: Row | undefined, name: string) => Number(row?.[name] ?? 0);
  return {
    formatVersion: 1,
    ...of,
    at: tenant?.["at"] ?? "",
    moved: { rows: number(tenant, "rows_copied"), changes: number(tenant, "changes") },
    compared: compared.map((row) => ({
      table: row["table"] ?? "",
      rows: number(row, "rows"),
      hash: row["hash"] ?? "",
      differences: number(row, "differences"),
      unsettled: number(row, "unsettled"),
      at: row["at"] ?? "",
    })),
    switched: switches.map((row) => ({
      direction: row["direction"] ?? "",
      at: row["at"] ?? "",
      fencedMs: row["fenced_ms"] == null ? null : Number(row["fenced_ms"]),
      by: row["by"] ?? "",
    })),
    lateWrites: number(tenant, "late"),
  };
}

/** Writes it down. The receipt of an earlier migration with this name goes to the journal; one that a contract of this migration made before it died is replaced. */
export async function storeReceipt(on: Pick<Session, "query">, receipt: Receipt): Promise<void> {
  const of = [receipt.migration, receipt.tenant];
  await on.query(
    `INSERT INTO rehouse.journal (migration, tenant, event, detail)
     SELECT r.migration, r.tenant, 'receipt-replaced', r.receipt
       FROM rehouse.receipt AS r JOIN rehouse.migration AS m ON m.name = r.migration
      WHERE r.migration = $1 AND r.tenant = $2 AND r.at < m.created_at`,
    of,
  );
  await on.query(
    `INSERT INTO rehouse.receipt (migration, tenant, receipt) VALUES ($1, $2, $3::jsonb)
     ON CONFLICT (migration, tenant) DO UPDATE SET receipt = excluded.receipt, at = excluded.at`,
    [...of, JSON.stringify(receipt)],
  );
}

/** The same for people. */
export function receiptText(receipt: Receipt): string {
  const { migration, tenant, version, by, at, from, to, moved, compared, switched, removed, archived, dropped, lateWrites } =
    receipt;
  return [
    `Receipt: tenant ${tenant} of ${migration}`,
    `  made ${at} by ${by}, Rehouse ${version}`,
    `  from ${from}`,
    `  to   ${to}`,
    `  moved     ${moved.rows} rows, ${moved.changes} changes applied`,
    ...compared.map(
      (each) =>
        `  compared  ${each.table}: ${each.rows} rows, hash ${each.hash}, ${each.differences} differences, ${each.unsettled} being written, ${each.at}`,
    ),
    ...switched.map(
      (each) => `  switched  ${each.direction}, ${each.at}, writers waited ${each.fencedMs ?? "?"} ms, by ${each.by}`,
    ),
    ...removed.map(
      (each) => `  removed   ${each.table}: ${each.removed} rows, ${each.changedSince} of them changed at the target since`,
    ),
    ...archived.map((each) => `  archived  ${each.table}: ${each.rows} rows in ${each.file}, sha256 ${each.sha256}`),
    ...dropped.map((each) => `  dropped   ${each.columns.map((column) => `${each.table}.${column}`).join(", ")}`),
    `  late writes  ${lateWrites}`,
  ].join("\n");
}
