/** How many tenants are how far: a bar, and the same in words. */

import type { Phase, Summary } from "../../api/types.ts";
import { many, whole } from "../../format.ts";
import { Panel } from "../../parts/Panel.tsx";
import { tenantsAt } from "../../shell/routes.ts";
import { PHASES } from "../tenants/phases.ts";

export function Phases({ tenants: { total, phases } }: { readonly tenants: Summary["tenants"] }) {
  const there = PHASES.filter((phase) => phases[phase] > 0);
  return (
    <Panel title="Tenants" beside={<a href={tenantsAt()}>{many(total, "tenant")}</a>}>
      <div class="phases" aria-hidden="true">
        {there.map((phase) => (
          <span key={phase} class={`phase phase-${phase}`} style={{ flexGrow: phases[phase] }} />
        ))}
      </div>
      <ul class="phase-list">
        {PHASES.map((phase) => (
          <Count key={phase} phase={phase} count={phases[phase]} />
        ))}
      </ul>
    </Panel>
  );
}

function Count({ phase, count }: { readonly phase: Phase; readonly count: number }) {
  const inside = (
    <>
      <i aria-hidden="true" class={`swatch phase-${phase}`} />
      <span>{phase}</span> <b>{whole(count)}</b>
    </>
  );
  return <li>{count === 0 ? <span class="none">{inside}</span> : <a href={tenantsAt({ phase })}>{inside}</a>}</li>;
}
