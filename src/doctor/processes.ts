/** The roles: those that do not run, those that wait, those that have ended. */

import { text } from "../catalog/fields.ts";
import type { StatusDocument } from "../cli/documents.ts";
import { BEAT_LIMIT } from "../control/status.ts";
import { ERROR_CODES, isErrorCode } from "../errors.ts";
import { SHARED_UNIT } from "../model/mapping.ts";
import type { Database } from "../ports.ts";
import { type DoctorFinding, error, warning } from "./finding.ts";

/** Phases in which there is something to copy. */
const COPYING = new Set(["planned", "expanding", "backfilling"]);
/** `run` says so from the third attempt on, too. */
const ATTEMPTS = 3;

export async function readRoles(target: Database, migration: string): Promise<ReadonlySet<string>> {
  const rows = await target.query(
    `SELECT DISTINCT role FROM rehouse.process WHERE migration = $1 AND beat_at > now() - interval '${BEAT_LIMIT}'`,
    [migration],
  );
  return new Set(rows.map((row) => text(row, "role")));
}

export function processFindings(status: StatusDocument, roles: ReadonlySet<string>): DoctorFinding[] {
  if (status.state === "cancelled")
    return [
      error(
        "cancel-unfinished",
        status.migration,
        "the migration is being cancelled",
        "rehouse cancel finishes what a killed one has left",
      ),
    ];
  const waits = (status.waits ?? [])
    .filter(({ attempts }) => attempts >= ATTEMPTS)
    .map(({ role, code, what, since }) =>
      warning("role-waiting", `role ${role}`, `${code} since ${since}: ${what}`, `docs/errors.md says what to do about ${code}`),
    );
  return [...paused(status), ...ended(status), ...missing(status, roles), ...waits];
}

function paused({ migration, state }: StatusDocument): DoctorFinding[] {
  return state === "paused"
    ? [warning("paused", migration, "backfill and apply stand still, since somebody has paused them", "rehouse resume")]
    : [];
}

function ended({ stopped, migration }: StatusDocument): DoctorFinding[] {
  if (stopped === null || stopped === undefined) return [];
  const { code, what, fix } = stopped;
  const meaning = isErrorCode(code) ? ERROR_CODES[code].meaning : "";
  return [
    error(
      "role-ended",
      migration,
      `${code}: ${what}`,
      fix ?? (meaning === "" ? "docs/errors.md" : `${meaning} docs/errors.md says what to do`),
    ),
  ];
}

function missing({ migration, tenants }: StatusDocument, roles: ReadonlySet<string>): DoctorFinding[] {
  const left = tenants.filter(({ phase, held, tenant }) => phase !== "contracted" && held !== true && tenant !== SHARED_UNIT);
  if (left.length === 0 && tenants.length > 0) return [];
  if (roles.size === 0) return [error("not-running", migration, "no process works on it", "rehouse run")];
  const needed = [
    "control",
    "capture",
    "apply",
    "reconcile",
    ...(tenants.some(({ phase }) => COPYING.has(phase)) ? ["backfill"] : []),
  ];
  return needed
    .filter((role) => !roles.has(role))
    .map((role) =>
      (role === "reconcile" ? warning : error)(
        "role-missing",
        `role ${role}`,
        "no process of it runs",
        `rehouse run --role ${role}, or rehouse run for all`,
      ),
    );
}
