/** How fast each role goes, and what it is that slows it. */

import type { PacedRole, Summary } from "../../api/types.ts";
import { clock, percent } from "../../format.ts";
import { reason } from "../../live/marks.ts";
import { Meter } from "../../parts/Meter.tsx";
import { Panel } from "../../parts/Panel.tsx";

const ROLES: readonly PacedRole[] = ["backfill", "reconcile", "apply"];

export function Pace({ throttle }: { readonly throttle: Summary["throttle"] }) {
  const { pace, because, pause = null, set = [], controlled } = throttle;
  const roles = throttle.roles ?? { backfill: pace, reconcile: pace, apply: pace };
  return (
    <Panel
      title="Pace"
      beside={controlled === false ? <span class="muted">no controller looks at the servers now</span> : undefined}
    >
      <ul class="pace">
        {ROLES.map((role) => (
          <li key={role}>
            <span>{role}</span>
            <Meter part={roles[role]} tone={roles[role] < 1 ? "warn" : "good"} />
            <b>{percent(roles[role])}</b>
          </li>
        ))}
      </ul>
      <p class="because">
        {because === null ? "Nothing slows it." : `Slowed by ${reason(because)}, since ${clock(because.since)}.`}
      </p>
      {pause !== null && (
        <p>
          Paused by {pause.by} at {clock(pause.since)}
          {pause.until === null ? "." : `, until ${clock(pause.until)}.`}
        </p>
      )}
      {set.map(({ role, pace, by, until }) => (
        <p key={role}>
          {by} holds {role === "" ? "all roles" : role} at {percent(pace)}
          {until === null ? "." : ` until ${clock(until)}.`}
        </p>
      ))}
    </Panel>
  );
}
