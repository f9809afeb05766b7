/** What a dry run says: the gate, each condition with its answer, and what the fence would take. */

import type { Operation, Result, Switched } from "../api/types.ts";
import { count, duration, oneLine, whole } from "../format.ts";
import type { Begun } from "../live/operation.ts";
import { Figure } from "../parts/Figure.tsx";
import { TroubleNote } from "../parts/TroubleNote.tsx";
import { Checklist } from "./Checklist.tsx";
import { switchChecks } from "./gates.ts";
import { Outcome } from "./Outcome.tsx";
import { Progress } from "./Progress.tsx";

type Props = { readonly begun: Begun; readonly label: string };

export function Prospect({ begun: { operation, whole: done, refused, lost, isSending }, label }: Props) {
  const trouble = refused ?? lost;
  if (trouble !== null) return <TroubleNote trouble={trouble} title="The gate could not be asked." />;
  if (done !== null) return <Told done={done} label={label} />;
  if (operation === null || isSending) return <p role="status">Asking the gate …</p>;
  return <Progress operation={operation} what="Asking the gate; nothing is changed" />;
}

function Told({ done, label }: { readonly done: Operation; readonly label: string }) {
  const { result } = done;
  if (result === null || !("tenants" in result)) return <Outcome operation={done} />;
  const tenants = result.tenants as readonly Switched[];
  const [only, ...others] = tenants;
  return (
    <>
      <Warnings result={result} />
      {only !== undefined && others.length === 0 && only.error === null ? (
        <Single tenant={only} label={label} />
      ) : (
        <Outcome operation={done} />
      )}
    </>
  );
}

function Single({
  tenant: { outcome, home, obstacles, predicted, differences },
  label,
}: {
  readonly tenant: Switched;
  readonly label: string;
}) {
  const differing = differences.reduce((sum, { differences: some }) => sum + some.length, 0);
  return (
    <>
      <p role="status" class={outcome === "ready" ? "good" : "bad"}>
        {outcome === "ready" ? "The gate would open." : "The gate would not open."}
      </p>
      {differing > 0 && <p>{whole(differing)} rows differ.</p>}
      {predicted !== null && (
        <dl class="figures">
          <Figure name="Its writers would wait" value={duration(predicted.fencedMs)} />
          <Figure name="to drain" value={duration(predicted.drainMs)} />
          <Figure name="to compare" value={duration(predicted.verifyMs)}>
            {count(predicted.rows)} rows
          </Figure>
        </dl>
      )}
      <Checklist checks={switchChecks(obstacles, home === "source" ? "target" : "source")} label={label} />
    </>
  );
}

function Warnings({ result }: { readonly result: Result }) {
  const warnings =
    "warnings" in result && "tenants" in result
      ? (result.warnings as readonly { code: string; what: string; fix: string }[])
      : [];
  return (
    <>
      {warnings.map(({ code, what, fix }) => (
        <div key={code} class="note">
          <p>{oneLine(what)}</p>
          <p class="muted">{oneLine(fix)}</p>
          <code>{code}</code>
        </div>
      ))}
    </>
  );
}
