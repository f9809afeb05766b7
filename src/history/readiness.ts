/** Whether both databases answer, and every role that there is work for has told of itself lately. */

import { flag, list } from "../catalog/fields.ts";
import { hasBegun } from "../control/begin.ts";
import { BEAT_LIMIT } from "../control/status.ts";
import { inTime } from "../in-time.ts";
import { SHARED_UNIT } from "../model/mapping.ts";
import type { Database } from "../ports.ts";
import type { Readiness } from "./history.ts";

/** Whoever asks gives up soon after it. */
const ANSWER_WITHIN_MS = 2_000;

type Servers = { readonly source: Database; readonly target: Database; readonly migration: string };

export async function readReadiness({ source, target, migration }: Servers, signal: AbortSignal): Promise<Readiness> {
  const answers = (asked: Promise<unknown>) =>
    inTime(asked, ANSWER_WITHIN_MS, "no answer", signal).then(
      () => true,
      () => false,
    );
  const roles = readRoles(target, migration);
  const [atSource, atTarget] = await Promise.all([answers(source.query("SELECT 1")), answers(roles)]);
  return { source: atSource, target: atTarget, roles: atTarget ? await roles : {} };
}

/** Those of `rehouse doctor`: none before the migration has begun, and none after its last tenant. */
async function readRoles(target: Database, migration: string): Promise<Readiness["roles"]> {
  if (!(await hasBegun(target, migration))) return {};
  const [row = {}] = await target.query(
    `SELECT (SELECT coalesce(json_agg(DISTINCT role), '[]')::text FROM rehouse.process
              WHERE migration = $1 AND beat_at > now() - interval '${BEAT_LIMIT}') AS alive,
            coalesce(bool_or(phase <> 'contracted' AND NOT held AND tenant <> $2), true) AS is_moving,
            coalesce(bool_or(phase IN ('planned', 'expanding', 'backfilling') AND NOT held), true) AS is_copying
       FROM rehouse.tenant WHERE migration = $1`,
    [migration, SHARED_UNIT],
  );
  if (!flag(row, "is_moving")) return {};
  const alive = new Set(list(row, "alive"));
  const needed = ["control", "capture", "apply", "reconcile", ...(flag(row, "is_copying") ? ["backfill"] : [])];
  return Object.fromEntries(needed.map((role) => [role, alive.has(role)]));
}
