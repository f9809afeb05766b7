/** The rehearsals of a migration, in rehouse.rehearsal at its target, and what they say about a switch that is asked for now. */

import { z } from "zod";
import { optional, text } from "../catalog/fields.ts";
import type { Database } from "../ports.ts";
import type { Measured, RehearsalDocument } from "./document.ts";

/** Something to think about before a switch, and no obstacle to it. */
export type Warning = { code: "never-rehearsed" | "rehearsal-failed" | "mapping-changed"; what: string; fix: string };

/** Resolves to its id. */
export async function recordBegun(
  target: Database,
  migration: string,
  fingerprint: string,
): Promise<{ id: string; began: string }> {
  const [row] = await target.query(
    `INSERT INTO rehouse.rehearsal (migration, fingerprint) VALUES ($1, $2)
     RETURNING id, to_char(began AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS began`,
    [migration, fingerprint],
  );
  return { id: text(row ?? {}, "id"), began: text(row ?? {}, "began") };
}

export async function recordEnded(target: Database, document: RehearsalDocument): Promise<void> {
  await target.query(
    "UPDATE rehouse.rehearsal SET ended = $2::timestamptz, outcome = $3, report = $4::jsonb WHERE id = $1::uuid",
    [document.id, document.ended, document.outcome, JSON.stringify(document)],
  );
}

const size = z.object({ rows: z.number(), bytes: z.number() });
const measured = z.object({
  ended: z.string(),
  outcome: z.enum(["passed", "differences", "failed"]),
  copied: size,
  whole: size,
  predicted: z.object({
    moveMs: z.number().nullable(),
    verifyMs: z.number().nullable(),
    fenceMs: z.object({ p50: z.number(), max: z.number() }).nullable(),
  }),
});

export async function newestRehearsal(target: Database, migration: string, fingerprint: string): Promise<Measured | undefined> {
  if (!(await isInstalled(target))) return undefined;
  const [row] = await target.query(
    `SELECT fingerprint, report::text AS report FROM rehouse.rehearsal
      WHERE migration = $1 AND outcome <> 'interrupted' AND report IS NOT NULL ORDER BY began DESC LIMIT 1`,
    [migration],
  );
  if (row === undefined) return undefined;
  const { ended, outcome, copied, whole, predicted } = measured.parse(JSON.parse(text(row, "report")));
  return { at: ended, outcome, copied, whole, isSameMapping: text(row, "fingerprint") === fingerprint, ...predicted };
}

async function isInstalled(target: Database): Promise<boolean> {
  const [state] = await target.query("SELECT to_regclass('rehouse.rehearsal') IS NOT NULL AS there");
  return state?.["there"] === "t";
}

const FIX = "`rehouse rehearse` moves a copy there and back first";

/** What the newest rehearsal that came to an end says about this mapping. */
export async function rehearsalWarnings(target: Database, migration: string, fingerprint: string): Promise<Warning[]> {
  const [last] = (await isInstalled(target))
    ? await target.query(
        `SELECT fingerprint, outcome, to_char(ended AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"') AS at, report #>> '{failure,what}' AS failure
             FROM rehouse.rehearsal WHERE migration = $1 AND outcome <> 'interrupted' ORDER BY began DESC LIMIT 1`,
        [migration],
      )
    : [];
  if (last === undefined) return [{ code: "never-rehearsed", what: "this move was never rehearsed", fix: FIX }];
  const [outcome, at] = [text(last, "outcome"), text(last, "at")];
  const warnings: Warning[] = [];
  if (text(last, "fingerprint") !== fingerprint)
    warnings.push({ code: "mapping-changed", what: `the mapping has changed since the last rehearsal (${at})`, fix: FIX });
  if (outcome !== "passed")
    warnings.push({
      code: "rehearsal-failed",
      what:
        outcome === "differences"
          ? `in the last rehearsal (${at}) the two sides were not equal`
          : `the last rehearsal (${at}) did not get through: ${optional(last, "failure") ?? "unknown"}`,
      fix: FIX,
    });
  return warnings;
}
