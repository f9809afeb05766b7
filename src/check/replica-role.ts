/** Whether a role may switch triggers, rules and foreign keys off for its session, so that they do not act a second time on rows that Rehouse writes. */

import { error, type Finding, warning } from "./finding.ts";
import { type Privilege, type Role, setsReplicaRole } from "./privilege.ts";

const ONLY_SUPERUSERS =
  "before Postgres 15 only a superuser may: connect as one, or disable the triggers for the time of the move";

/** Of no use where the server's version can grant it to nobody. `acting`: what would act on the rows. */
export function replicaRole(side: "source" | "target", place: string, role: Role, acting: readonly string[]): Privilege[] {
  const statement = setsReplicaRole(role.version);
  const fix = statement?.grant(role.name) ?? ONLY_SUPERUSERS;
  const lacking = role.switchesTriggersOff ? undefined : LACKING[side](`${side} ${place}`, role.name, acting, fix);
  const why =
    side === "source"
      ? "triggers and foreign keys do not act a second time on rows that come back"
      : "triggers, rules and foreign keys do not act a second time on copied and applied rows";
  if (statement !== undefined) return [{ why, ...statement, lacking }];
  return lacking === undefined ? [] : [{ why, ...NOTHING, lacking }];
}

const NOTHING = { grant: () => "", revoke: () => "" };

/** Rows come home to tables whose constraints they fulfil; at the target what acts on them would change what was copied. */
const LACKING = {
  source: (place: string, role: string, acting: readonly string[], fix: string): Finding | undefined =>
    acting.length === 0
      ? undefined
      : warning(
          "replica-role",
          place,
          `role ${role} may not set session_replication_role, so that these would fire for rows that come back: ${acting.join(", ")}`,
          fix,
        ),
  target: (place: string, role: string, acting: readonly string[], fix: string): Finding =>
    acting.length === 0
      ? warning(
          "replica-role",
          place,
          `role ${role} may not set session_replication_role: foreign keys are checked row by row, which makes applying slower`,
          fix,
        )
      : error(
          "replica-role",
          place,
          `role ${role} may not set session_replication_role, so that these would act on copied and applied rows a second time: ${acting.join(", ")}`,
          fix,
        ),
} as const;
