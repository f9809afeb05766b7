/** Everything about the pace: each role's, every signal as it was measured last, and what has changed. */

import { isAsking, refused, token } from "../../api/session.ts";
import type { Throttle } from "../../api/types.ts";
import { dayAndClock } from "../../format.ts";
import { useAsked } from "../../live/asked.ts";
import { summary } from "../../live/live.ts";
import { inWords } from "../../live/marks.ts";
import { Loading } from "../../parts/Loading.tsx";
import { Panel } from "../../parts/Panel.tsx";
import { StatusWord, type Tone } from "../../parts/StatusWord.tsx";
import { TroubleNote } from "../../parts/TroubleNote.tsx";
import { SignIn } from "../../shell/SignIn.tsx";
import { Pace } from "./Pace.tsx";
import { Plots } from "./Plots.tsx";

const EVERY_MS = 2_000;

export function ThrottleView() {
  const it = summary.value;
  return (
    <>
      <h1 class="hidden">Throttle</h1>
      {it === null ? <Loading what="the pace" /> : <Pace throttle={it.throttle} />}
      <Plots />
      {token.value === null ? <NeedsToken /> : <Details />}
    </>
  );
}

function NeedsToken() {
  // It is asked for above already.
  if (isAsking.value || refused.value !== null) return null;
  return <SignIn what="the signals and the history of the pace" />;
}

function Details() {
  const { answer, trouble } = useAsked("/throttle", { everyMs: EVERY_MS });
  if (answer === null) return trouble === null ? <Loading what="the signals" /> : <TroubleNote trouble={trouble} />;
  return (
    <div class="columns">
      {trouble !== null && <TroubleNote trouble={trouble} />}
      <Signals signals={answer.signals} />
      <Changes changes={answer.changes} />
    </div>
  );
}

const LEVELS: Readonly<Record<Throttle["signals"][number]["level"], readonly [Tone, string]>> = {
  ok: ["good", "ok"],
  slow: ["warn", "slows"],
  pause: ["bad", "pauses"],
};

function Signals({ signals }: Pick<Throttle, "signals">) {
  return (
    <Panel title="Signals">
      {signals.length === 0 ? (
        <p class="muted">Nothing has been measured.</p>
      ) : (
        <table class="plain">
          <thead>
            <tr>
              <th scope="col">Signal</th>
              <th scope="col">Level</th>
              <th scope="col" class="number">
                Value
              </th>
              <th scope="col" class="number">
                Limit
              </th>
            </tr>
          </thead>
          <tbody>
            {signals.map(({ signal, value, limit, level }) => (
              <tr key={signal}>
                <th scope="row">{signal}</th>
                <td>
                  <StatusWord tone={LEVELS[level][0]}>{LEVELS[level][1]}</StatusWord>
                </td>
                <td class="number">{value}</td>
                <td class="number">{limit}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  );
}

function Changes({ changes }: Pick<Throttle, "changes">) {
  return (
    <Panel title="Latest changes">
      {changes.length === 0 ? (
        <p class="muted">The pace has not changed.</p>
      ) : (
        <ol class="reasons">
          {changes.map((change) => (
            <li key={change.at}>
              <time dateTime={change.at}>{dayAndClock(change.at)}</time> {inWords(change)}
            </li>
          ))}
        </ol>
      )}
    </Panel>
  );
}
