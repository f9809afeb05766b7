/** One tenant as the status has it. */

import type { Tenant } from "../../api/types.ts";
import { count, dayAndClock, duration, fraction, oneLine, percent, shellWord, UNKNOWN, whole } from "../../format.ts";
import { useAsked } from "../../live/asked.ts";
import { tenantsVersion } from "../../live/live.ts";
import { Command } from "../../parts/Command.tsx";
import { Figure } from "../../parts/Figure.tsx";
import { Loading } from "../../parts/Loading.tsx";
import { Meter } from "../../parts/Meter.tsx";
import { Panel } from "../../parts/Panel.tsx";
import { TenantWord } from "../../parts/StatusWord.tsx";
import { TroubleNote } from "../../parts/TroubleNote.tsx";
import { tenantsAt } from "../../shell/routes.ts";

const EVERY_MS = 2_000;

export function TenantView({ tenant }: { readonly tenant: string }) {
  const query = new URLSearchParams({ tenant, limit: "1" }).toString();
  const { answer, trouble } = useAsked("/tenants", { query, everyMs: EVERY_MS, version: tenantsVersion.value });
  const it = answer?.tenants[0];
  return (
    <>
      <div class="view-head">
        <h1 dir="auto">{oneLine(tenant)}</h1>
        {it !== undefined && <TenantWord tenant={it} />}
        <a href={tenantsAt()}>All tenants</a>
      </div>
      {trouble !== null && <TroubleNote trouble={trouble} />}
      {answer === null && trouble === null && <Loading what="the tenant" />}
      {answer !== null && it === undefined && <p class="empty">This migration has no such tenant.</p>}
      {it !== undefined && <Standing it={it} />}
    </>
  );
}

function Standing({ it }: { readonly it: Tenant }) {
  const { tenant, rows, applied, verified, stopped, route, soak, foreignWrites, lateWrites, reverse, phase } = it;
  const copied = fraction(rows.copied, rows.estimated);
  return (
    <>
      {stopped !== null && (
        <Panel title="It stands still" kind="attention">
          <p>{stopped.what}</p>
          {stopped.fix != null && <p class="muted">{stopped.fix}</p>}
          <p>
            <code>{stopped.code}</code>
            {stopped.position !== null && (
              <>
                {" at the change "}
                <code>{stopped.position}</code>
              </>
            )}
          </p>
          <Command text={`rehouse retry --tenant ${shellWord(tenant)}`} />
        </Panel>
      )}
      <dl class="figures panel">
        <Figure name="Phase" value={phase}>
          {route == null ? "at the source, never switched" : `at the ${route.home} since ${dayAndClock(route.since)}`}
        </Figure>
        <Figure name="Rows copied" value={percent(copied)}>
          <Meter part={copied} tone="busy" />
          {count(rows.copied)} of about {count(rows.estimated)}
        </Figure>
        <Figure name="Lag" value={duration(applied.lagMs)}>
          {count(applied.changes)} changes applied
        </Figure>
        <Figure name="Rows that differ" value={verified === null ? UNKNOWN : whole(verified.differences)}>
          {verified === null ? "not all compared yet" : `of ${count(verified.rows)}, compared ${dayAndClock(verified.at)}`}
        </Figure>
        <Figure name="Writes of others" value={foreignWrites >= 1000 ? "1,000 or more" : whole(foreignWrites)}>
          at the target; {whole(lateWrites)} late at the old home
        </Figure>
        <Figure name="Feed home" value={reverse?.phase ?? "none"}>
          {reverse === undefined
            ? "it is not armed"
            : `lag ${duration(reverse.applied.lagMs)}, ${count(reverse.applied.changes)} changes`}
        </Figure>
      </dl>
      {soak != null && (
        <Panel title="Soak" beside={soak.until === null ? undefined : <span class="muted">until {dayAndClock(soak.until)}</span>}>
          {soak.tripped.length + soak.problems.length === 0 && <p>No criterion holds.</p>}
          <ul>
            {soak.tripped.map(({ criterion, value, since }) => (
              <li key={criterion} class="bad">
                {criterion}: {value}, since {dayAndClock(since)}
              </li>
            ))}
            {soak.problems.map(({ criterion, problem }) => (
              <li key={criterion}>
                {criterion} could not be asked: {problem}
              </li>
            ))}
          </ul>
        </Panel>
      )}
    </>
  );
}
