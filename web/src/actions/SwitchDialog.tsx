/** Cutover and rollback: first what the gate says and what the fence would take (a dry run), then the switch itself as it goes, then what came of it. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { Operation, Switched, Tenant } from "../api/types.ts";
import { many, oneLine } from "../format.ts";
import { askToEnd, type Begun, useBegun } from "../live/operation.ts";
import { Dialog } from "../parts/Dialog.tsx";
import { Name } from "../parts/Name.tsx";
import { TroubleNote } from "../parts/TroubleNote.tsx";
import { Outcome } from "./Outcome.tsx";
import { offerOf } from "./offers.ts";
import { Progress } from "./Progress.tsx";
import { Prospect } from "./Prospect.tsx";
import { TypedName } from "./TypedName.tsx";
import { isTyped } from "./typed.ts";

export type Switching = "cutover" | "rollback" | "give-up";
type Props = { readonly action: Switching; readonly tenants: readonly Tenant[]; readonly onClose: () => void };

export function SwitchDialog({ action, tenants: given, onClose }: Props) {
  // As they stood when it was asked for: what changes meanwhile is the gate's to say.
  const [tenants] = useState(given);
  const [typed, setTyped] = useState("");
  const [keeps, setKeeps] = useState(false);
  const trial = useBegun();
  const real = useBegun();
  const names = tenants.map(({ tenant }) => tenant);
  const path = action === "cutover" ? "/cutover" : "/rollback";
  const look = () => trial.begin(path, { tenants: names, dryRun: true });
  const hasGate = action !== "give-up";
  const underWay = useRef<string | null>(null);
  underWay.current = trial.operation?.endedAt === null ? trial.operation.id : null;
  useEffect(() => {
    if (hasGate) look();
    // Nobody waits for the answer any more, and it takes a comparison.
    return () => {
      if (underWay.current !== null) askToEnd(underWay.current).catch(() => undefined);
    };
  }, []);
  const step = stepOf(real);
  const ready = readyOf(trial.whole, names);
  const only = names[0] ?? "";
  // Rows go with a move that is given up; with `keep` none do, and so it is for a tenant that somebody else leads back meanwhile.
  const removes = action === "give-up" && !keeps;
  const isSure = !removes || isTyped(typed, only);
  // Who has to go back may not have the time for a comparison: the engine asks the gate again in any case.
  const going = action === "cutover" ? ready : names;
  const go = () =>
    action === "cutover"
      ? real.begin("/cutover", { tenants: going, confirm: going })
      : real.begin("/rollback", { tenants: going, confirm: going, keep: !removes });
  const { label } = offerOf(action);
  const title = (
    <>
      {label}: {names.length === 1 ? <Name text={only} /> : many(names.length, "tenant")}
    </>
  );
  return (
    <Dialog
      title={title}
      onClose={onClose}
      step={step}
      buttons={
        <>
          {step === "ask" && (
            <button type="button" class="primary" disabled={going.length === 0 || !isSure} onClick={go}>
              {going.length < names.length && going.length > 0
                ? `${label}: ${many(going.length, "that is", "that are")} ready`
                : label}
            </button>
          )}
          {step === "ask" && (trial.whole !== null || trial.refused !== null || trial.lost !== null) && (
            <button type="button" onClick={look}>
              Ask the gate again
            </button>
          )}
          <EndButton begun={real} />
          <button type="button" onClick={onClose}>
            Close
          </button>
        </>
      }
    >
      {step === "ask" && (
        <>
          <p>{SAYS[action]}</p>
          {hasGate && <Prospect begun={trial} label={`Gate of ${oneLine(only)}`} />}
          {action === "give-up" && <Removal name={only} {...{ keeps, setKeeps, typed, setTyped }} />}
        </>
      )}
      <Run begun={real} what={label} />
    </Dialog>
  );
}

const SAYS: Readonly<Record<Switching, string>> = {
  cutover: "From the switch on it lives at the target; its writers wait while the last changes are carried over and compared.",
  rollback: "It goes back to the source with every write that was made at the target; its writers wait meanwhile.",
  "give-up": "It stays at the source, which is not touched, and its move ends. Its rows at the target are removed.",
};

type RemovalProps = {
  readonly name: string;
  readonly keeps: boolean;
  readonly setKeeps: (keeps: boolean) => void;
  readonly typed: string;
  readonly setTyped: (typed: string) => void;
};

/** As at the command line: rows that go are asked about, and named. */
function Removal({ name, keeps, setKeeps, typed, setTyped }: RemovalProps) {
  return (
    <>
      <label class="check">
        <input type="checkbox" checked={keeps} onChange={({ currentTarget }) => setKeeps(currentTarget.checked)} /> Leave its rows
        at the target
      </label>
      {!keeps && <TypedName name={name} value={typed} onInput={setTyped} />}
    </>
  );
}

/** What has begun, until it is over. */
export function Run({
  begun: { operation, whole, refused, lost, isSending },
  what,
}: {
  readonly begun: Begun;
  readonly what: string;
}) {
  return (
    <>
      {refused !== null && <TroubleNote trouble={refused} title="It has not begun." />}
      {lost !== null && <TroubleNote trouble={lost} title="How it gets on is not known now; it may go on all the same." />}
      {isSending && operation === null && <p role="status">{what} …</p>}
      {operation !== null && whole === null && lost === null && (
        <>
          <Progress operation={operation} what={what} />
          <p class="muted">It goes on when this is closed; Operations shows how far it is.</p>
        </>
      )}
      {whole !== null && <Outcome operation={whole} />}
    </>
  );
}

/** Where a dialog is: `ask` before anything has begun, `real` while it goes on, `over` after it, or where it was refused. */
export function stepOf({ operation, whole, refused, isSending }: Begun): "ask" | "real" | "over" {
  if (whole !== null || (refused !== null && !isSending)) return "over";
  return operation !== null || isSending ? "real" : "ask";
}

export function EndButton({ begun: { operation } }: { readonly begun: Begun }) {
  if (operation === null || operation.endedAt !== null) return null;
  return (
    <button
      type="button"
      disabled={operation.state === "cancelling"}
      onClick={() => void askToEnd(operation.id).catch(() => undefined)}
    >
      Cancel the operation
    </button>
  );
}

/** Those whose gate would open, in the order in which they were asked for. */
function readyOf(trial: Operation | null, names: readonly string[]): string[] {
  if (trial?.result == null || !("tenants" in trial.result)) return [];
  const open = new Set(
    (trial.result.tenants as readonly Pick<Switched, "tenant" | "outcome">[]).flatMap(({ tenant, outcome }) =>
      outcome === "ready" ? [tenant] : [],
    ),
  );
  return names.filter((name) => open.has(name));
}
