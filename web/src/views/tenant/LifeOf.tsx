/** What has become of a tenant so far: phases and journal, comparisons, a switch under way, its receipt. */

import { token } from "../../api/session.ts";
import type { JournalEntry, Life, Phase, Tenant } from "../../api/types.ts";
import { clock, dayAndClock, duration, many, shellWord, whole } from "../../format.ts";
import { useAsked } from "../../live/asked.ts";
import { tenantsVersion } from "../../live/live.ts";
import { Command } from "../../parts/Command.tsx";
import { Loading } from "../../parts/Loading.tsx";
import { Panel } from "../../parts/Panel.tsx";
import { PHASE_TONES, StatusWord } from "../../parts/StatusWord.tsx";
import { TroubleNote } from "../../parts/TroubleNote.tsx";
import { now } from "../../shell/now.ts";
import { SignIn } from "../../shell/SignIn.tsx";
import { PHASES } from "../tenants/phases.ts";
import { Comparisons } from "./Comparisons.tsx";
import { detailOf, hasPath, receiptOf, type Stay, staysOf } from "./life.ts";
import { ReceiptOf } from "./ReceiptOf.tsx";

const EVERY_MS = 5_000;
/** More of one phase are unfolded by whoever wants them. */
const MOST_SHOWN = 8;

export function LifeOf({ tenant }: { readonly tenant: Tenant }) {
  if (token.value === null) return <SignIn what="what has become of it so far" />;
  return hasPath(tenant.tenant) ? <Whole tenant={tenant} /> : <JournalAlone tenant={tenant} />;
}

function Whole({ tenant }: { readonly tenant: Tenant }) {
  const { answer, trouble } = useAsked(`/tenants/${encodeURIComponent(tenant.tenant)}`, {
    ...{ everyMs: EVERY_MS, version: tenantsVersion.value },
  });
  if (answer === null) return trouble === null ? <Loading what="its life" /> : <TroubleNote trouble={trouble} />;
  const receipt = receiptOf(answer.receipt);
  return (
    <>
      {trouble !== null && <TroubleNote trouble={trouble} title="What is shown is old." />}
      {answer.switch !== null && <UnderWay under={answer.switch} />}
      {receipt !== null && <ReceiptOf receipt={receipt} />}
      {answer.receipt === null && tenant.phase === "contracted" && (
        <Panel title="Its contract has not ended">
          <p>Its rows are being removed from its old home. If nobody is at it any more, the same command ends it:</p>
          <Command text={`rehouse contract --tenant ${shellWord(tenant.tenant)}`} />
        </Panel>
      )}
      <Comparisons comparisons={answer.comparisons} tenant={tenant.tenant} />
      <Timeline phase={tenant.phase} journal={answer.journal} />
    </>
  );
}

function JournalAlone({ tenant }: { readonly tenant: Tenant }) {
  const query = new URLSearchParams({ tenant: tenant.tenant }).toString();
  const { answer, trouble } = useAsked("/journal", { query, everyMs: EVERY_MS, version: tenantsVersion.value });
  if (answer === null) return trouble === null ? <Loading what="its journal" /> : <TroubleNote trouble={trouble} />;
  return <Timeline phase={tenant.phase} journal={answer.entries} />;
}

function UnderWay({ under: { direction, step, startedBy, beganAt } }: { readonly under: NonNullable<Life["switch"]> }) {
  return (
    <Panel title="A switch is under way">
      <p>
        {direction === "to-target" ? "To the target" : "To the source"}, at the step {step}, begun by {startedBy} at{" "}
        {clock(beganAt)}.
      </p>
    </Panel>
  );
}

function Timeline({ phase, journal }: { readonly phase: Phase; readonly journal: readonly JournalEntry[] }) {
  return (
    <Panel
      title="Its life"
      beside={<span class="muted">{many(journal.length, "entry", "entries")} of the journal, newest first</span>}
    >
      <ol class="steps" aria-label="Phases">
        {PHASES.map((one) => (
          <li key={one} aria-current={one === phase ? "step" : undefined}>
            {one}
          </li>
        ))}
      </ol>
      {journal.length === 0 && <p class="muted">The journal has nothing of it yet.</p>}
      <ol class="timeline">
        {staysOf(journal).map((stay) => (
          <StayOf key={stay.from ?? ""} stay={stay} />
        ))}
      </ol>
    </Panel>
  );
}

function StayOf({ stay: { phase, from, ms, entries } }: { readonly stay: Stay }) {
  const [first, rest] = [entries.slice(0, MOST_SHOWN), entries.slice(MOST_SHOWN)];
  return (
    <li>
      <p class="stay">
        {phase === null ? <b>before</b> : <StatusWord tone={PHASE_TONES[phase]}>{phase}</StatusWord>}
        {from !== null && (
          <span class="muted">
            since <time dateTime={from}>{dayAndClock(from)}</time>,{" "}
            {ms === null ? `for ${duration(Math.max(0, now.value - Date.parse(from)))} now` : `for ${duration(ms)}`}
          </span>
        )}
      </p>
      <Entries entries={first} />
      {rest.length > 0 && (
        <details>
          <summary>{whole(rest.length)} more</summary>
          <Entries entries={rest} />
        </details>
      )}
    </li>
  );
}

const BAD: ReadonlySet<string> = new Set(["stopped", "difference", "repair-refused", "soak-tripped", "soak-rollback-failed"]);

function Entries({ entries }: { readonly entries: readonly JournalEntry[] }) {
  if (entries.length === 0) return null;
  return (
    <ul class="entries">
      {entries.map((entry) => (
        <li key={`${entry.feed} ${entry.entry}`}>
          <time dateTime={entry.at} title={dayAndClock(entry.at)}>
            {clock(entry.at)}
          </time>{" "}
          <b class={BAD.has(entry.event) ? "bad" : ""}>{entry.event}</b>
          {entry.feed === "reverse" && <span class="muted"> (feed home)</span>} <span class="muted">{detailOf(entry)}</span>
        </li>
      ))}
    </ul>
  );
}
