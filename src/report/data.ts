/** What a report is made of: what verify has just found, and what the state tables have kept. */

import { z } from "zod";
import type { Database } from "../ports.ts";
import type { Difference, VerifyDocument } from "../verify/index.ts";

/** One comparison of the history. */
export type Pass = {
  readonly at: string;
  readonly table: string;
  readonly tenant: string;
  readonly by: string;
  readonly rows: string;
  readonly hash: string;
  readonly differences: string;
  readonly unsettled: string;
  readonly omitted: string;
  readonly position: string;
};

/** A difference that was seen at some time. */
export type KeptDifference = Pick<Difference, "key" | "kind" | "columns" | "source" | "target"> & {
  readonly table: string;
  readonly tenant: string;
  readonly position: string;
  readonly firstSeen: string;
  readonly lastSeen: string;
  readonly goneAt: string | null;
  readonly repairedBy: string | null;
};

export type ReportData = {
  readonly migration: string;
  readonly version: string;
  /** host:port/database, without user and password. */
  readonly source: string;
  readonly target: string;
  readonly sourceVersion: string;
  readonly targetVersion: string;
  readonly madeAt: string;
  readonly digest: string;
  readonly begunAt: string;
  readonly document: VerifyDocument;
  readonly kept: readonly KeptDifference[];
  readonly passes: readonly Pass[];
  /** Units that the reconciler could not compare, and why. */
  readonly obstacles: readonly { readonly table: string; readonly tenant: string; readonly why: string }[];
};

/** Newest first. A page with more would not be read, and be slow to open. */
const MOST_PASSES = 2_000;
const MOST_KEPT = 1_000;

const image = z.record(z.string(), z.string().nullable());
const kept = z.array(
  z.object({
    table: z.string(),
    tenant: z.string(),
    key: image,
    kind: z.enum(["missing", "extra", "different"]),
    columns: z.array(z.string()),
    source: image.nullable(),
    target: image.nullable(),
    position: z.string(),
    firstSeen: z.string(),
    lastSeen: z.string(),
    goneAt: z.string().nullable(),
    repairedBy: z.string().nullable(),
  }),
);
const passes = z.array(
  z.object({
    at: z.string(),
    table: z.string(),
    tenant: z.string(),
    by: z.string(),
    rows: z.string(),
    hash: z.string(),
    differences: z.string(),
    unsettled: z.string(),
    omitted: z.string(),
    position: z.string(),
  }),
);
const obstacles = z.array(z.object({ table: z.string(), tenant: z.string(), why: z.string() }));

export async function readReport(
  from: { readonly migration: string; readonly version: string; readonly source: Database; readonly target: Database },
  document: VerifyDocument,
): Promise<ReportData> {
  const { migration, version, source, target } = from;
  const json = async (sql: string): Promise<unknown> =>
    JSON.parse(
      (await target.query(`SELECT coalesce(jsonb_agg(f), '[]')::text AS found FROM (${sql}) AS f`, [migration]))[0]?.["found"] ??
        "[]",
    );
  const serverVersion = async (database: Database) =>
    (await database.query("SELECT current_setting('server_version') AS version"))[0]?.["version"] ?? "";
  const [head] = await target.query(
    "SELECT digest, created_at, clock_timestamp() AS now FROM rehouse.migration WHERE name = $1",
    [migration],
  );
  return {
    migration,
    version,
    source: source.place,
    target: target.place,
    sourceVersion: await serverVersion(source),
    targetVersion: await serverVersion(target),
    madeAt: head?.["now"] ?? "",
    digest: head?.["digest"] ?? "",
    begunAt: head?.["created_at"] ?? "",
    document,
    kept: kept.parse(await json(KEPT)),
    passes: passes.parse(await json(PASSES)),
    obstacles: obstacles.parse(await json(OBSTACLES)),
  };
}

const KEPT = `
  SELECT source AS table, tenant, key, kind, columns, source_image AS source, target_image AS target, position::text,
         first_seen::text AS "firstSeen", last_seen::text AS "lastSeen", gone_at::text AS "goneAt", repaired_by AS "repairedBy"
    FROM rehouse.difference WHERE migration = $1 ORDER BY difference DESC LIMIT ${MOST_KEPT}`;

const PASSES = `
  SELECT at::text, source AS table, tenant, compared_by AS by, rows::text, hash::text, differences::text, unsettled::text, omitted::text, position::text
    FROM rehouse.evidence WHERE migration = $1 ORDER BY evidence DESC LIMIT ${MOST_PASSES}`;

const OBSTACLES = `
  SELECT source AS table, tenant, obstacle AS why FROM rehouse.compared_unit WHERE migration = $1 AND obstacle IS NOT NULL ORDER BY source, tenant`;
