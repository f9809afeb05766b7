/** The migration at a glance: what needs a person first, then how far it is, then how fast and why. */

import { summary } from "../../live/live.ts";
import { Loading } from "../../parts/Loading.tsx";
import { Pace } from "../throttle/Pace.tsx";
import { Plots } from "../throttle/Plots.tsx";
import { Attention } from "./Attention.tsx";
import { Glance } from "./Glance.tsx";
import { Phases } from "./Phases.tsx";
import { Processes } from "./Processes.tsx";

export function Overview() {
  const it = summary.value;
  return (
    <>
      <h1 class="hidden">Overview</h1>
      {it === null ? (
        <Loading what="the migration" />
      ) : (
        <div class="overview">
          <Attention summary={it} />
          <Glance summary={it} />
          <Phases tenants={it.tenants} />
          <Plots />
          <div class="columns">
            <Pace throttle={it.throttle} />
            <Processes processes={it.processes ?? []} notices={it.notices ?? []} />
          </div>
        </div>
      )}
    </>
  );
}
