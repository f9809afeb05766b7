/** What needs a person, first. */

import { token } from "../../api/session.ts";
import type { Summary } from "../../api/types.ts";
import { many, whole } from "../../format.ts";
import { useAsked } from "../../live/asked.ts";
import { tenantsVersion } from "../../live/live.ts";
import { Command } from "../../parts/Command.tsx";
import { Panel } from "../../parts/Panel.tsx";
import { StatusWord } from "../../parts/StatusWord.tsx";
import { TroubleNote } from "../../parts/TroubleNote.tsx";
import { now } from "../../shell/now.ts";
import { tenantsAt } from "../../shell/routes.ts";
import { type Matter, mattersOf } from "./attention.ts";

/** More than a person can see to at once stands in the table of tenants. */
const MOST_TENANTS = 20;
const MOST_MATTERS = 8;
const TENANTS_EVERY_MS = 10_000;
/** It asks four servers. */
const DOCTOR_EVERY_MS = 15_000;

export function Attention({ summary }: { readonly summary: Summary }) {
  const tenants = useAsked("/tenants", {
    ...{ query: `needsPerson=true&limit=${MOST_TENANTS}`, everyMs: TENANTS_EVERY_MS, version: tenantsVersion.value },
  });
  // Rounded: that a minute has passed has to be seen, and not each second.
  const minute = Math.floor(now.value / 10_000) * 10_000;
  const hasToken = token.value !== null;
  const doctor = useAsked("/doctor", { everyMs: DOCTOR_EVERY_MS, when: hasToken });
  const matters = mattersOf(summary, tenants.answer?.tenants ?? [], doctor.answer?.findings ?? [], minute);
  const { needPerson } = summary.tenants;
  const beside =
    needPerson > 0 ? (
      <a href={tenantsAt({ needsPerson: "true" })}>All {many(needPerson, "tenant")} that wait for a person</a>
    ) : undefined;
  return (
    <Panel title="Needs a person" beside={beside} kind="attention">
      {tenants.trouble !== null && tenants.answer === null && <TroubleNote trouble={tenants.trouble} />}
      {matters.length === 0 && needPerson === 0 && (
        <p class="all-well">
          <StatusWord tone="good">nothing</StatusWord> No tenant is stopped, no row is known to differ.
        </p>
      )}
      <ul class="matters">
        {matters.slice(0, MOST_MATTERS).map((matter) => (
          <Item key={matter.key} matter={matter} />
        ))}
      </ul>
      {matters.length > MOST_MATTERS && <p class="muted">and {whole(matters.length - MOST_MATTERS)} more</p>}
      {!hasToken && <p class="muted">The findings of `rehouse doctor` are shown to whoever is signed in.</p>}
      {doctor.trouble !== null && <TroubleNote trouble={doctor.trouble} title="The doctor could not be asked." />}
    </Panel>
  );
}

function Item({ matter: { tone, title, what, fix, code, command, href } }: { readonly matter: Matter }) {
  return (
    <li class={`matter tone-${tone}`}>
      <div class="matter-text">
        <div class="matter-head">
          <StatusWord tone={tone}>{tone === "bad" ? "act" : "decide"}</StatusWord>
          <strong>{href === null ? title : <a href={href}>{title}</a>}</strong>
          {code !== null && <code class="code">{code}</code>}
        </div>
        {what !== "" && <p>{what}</p>}
        {fix !== null && <p class="muted">{fix}</p>}
      </div>
      {command !== null && <Command text={command} />}
    </li>
  );
}
