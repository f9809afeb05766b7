/** What came of an operation: the answer of its verb, tenant by tenant, or the error that ended it. */

import type { ComponentChildren } from "preact";
import type { Checked, Contracted, Operation, Result, Switched, Verified } from "../api/types.ts";
import { count, dayAndClock, duration, many, oneLine, whole } from "../format.ts";
import { Name } from "../parts/Name.tsx";
import { StatusWord, type Tone } from "../parts/StatusWord.tsx";
import { TroubleNote } from "../parts/TroubleNote.tsx";
import { Refusals } from "./Refusals.tsx";

export function Outcome({ operation }: { readonly operation: Operation }) {
  const { state, error, result, action } = operation;
  if (state === "cancelled")
    return <p role="status">It was cancelled. What it had begun is undone, or is finished by whoever asks next.</p>;
  if (error !== null) return <TroubleNote trouble={error} title="It failed." />;
  if (result === null) return <p class="muted">Nothing is known of what came of it.</p>;
  return (
    <div role="status" class="outcome">
      {resultOf(action, result)}
    </div>
  );
}

/** The documents are told apart by what they alone have. */
function resultOf(action: Operation["action"], result: Result): ComponentChildren {
  if ("did" in result) return result.did.map((sentence) => <p key={sentence}>{oneLine(sentence)}</p>);
  if ("equal" in result) return <Comparison verified={result} />;
  if ("findings" in result) return <Findings checked={result} />;
  if ("outcome" in result)
    return <p>The rehearsal {result.outcome === "passed" ? "passed" : "did not pass"}; `rehouse rehearse` tells more of it.</p>;
  const tenants = result.tenants as readonly (Switched | Contracted)[];
  if (tenants.length === 0) return <p class="muted">There was no tenant to {action}.</p>;
  return (
    <ul class="outcomes">
      {tenants.map((tenant) => (
        <li key={tenant.tenant}>
          <OfTenant tenant={tenant} />
        </li>
      ))}
    </ul>
  );
}

const TONES: Readonly<Record<Switched["outcome"] | Contracted["outcome"], Tone>> = {
  switched: "good",
  ready: "good",
  contracted: "good",
  aborted: "idle",
  refused: "warn",
  failed: "bad",
};

function OfTenant({ tenant }: { readonly tenant: Switched | Contracted }) {
  const { outcome, obstacles, error } = tenant;
  return (
    <>
      <p>
        <StatusWord tone={TONES[outcome]}>{outcome === "aborted" ? "given up" : outcome}</StatusWord>{" "}
        <Name text={tenant.tenant} /> {"receipt" in tenant ? removed(tenant) : lives(tenant)}
      </p>
      <Refusals obstacles={obstacles} differences={"differences" in tenant ? tenant.differences : []} />
      {error !== null && <TroubleNote trouble={{ ...error, status: null }} />}
    </>
  );
}

function lives({ outcome, home, predicted, fencedMs, waitedForWritersMs, drainMs, verifyMs, lateWrites }: Switched): string {
  if (outcome === "ready")
    return predicted === null ? "could go now" : `its writers would wait about ${duration(predicted.fencedMs)}`;
  if (outcome === "aborted") return "stays at the source";
  if (outcome !== "switched") return `stays at the ${home}`;
  const late = lateWrites === 0 ? "" : `; ${many(lateWrites, "late write")} at the old home`;
  if (fencedMs === null) return `lives at the ${home}${late}`;
  const parts = `${duration(waitedForWritersMs)} for those in flight, ${duration(drainMs)} to drain, ${duration(verifyMs)} to compare`;
  return `lives at the ${home}; its writers waited ${duration(fencedMs)} (${parts})${late}`;
}

function removed({ outcome, receipt }: Contracted): string {
  if (receipt === null) return outcome === "contracted" ? "" : "nothing of it was removed";
  const rows = receipt.removed.reduce((sum, { removed: some }) => sum + some, 0);
  return `${many(rows, "row")} removed from ${receipt.from}; the receipt is on its page`;
}

function Comparison({ verified: { equal, tenants } }: { readonly verified: Verified }) {
  const tables = tenants.flatMap(({ tenant, tables: some }) => some.map((table) => ({ tenant, ...table })));
  const differ = tables.filter(({ differences, omitted }) => differences.length + omitted > 0);
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  return (
    <>
      <p>
        <StatusWord tone={equal ? "good" : "bad"}>{equal ? "equal" : "differ"}</StatusWord> {count(rows)} rows of{" "}
        {many(tenants.length, "tenant")} compared
      </p>
      {differ.map(({ tenant, table, differences, omitted }) => (
        <p key={`${table} ${tenant}`}>
          <Name text={tenant} /> {table}: {whole(differences.length + omitted)} differ
        </p>
      ))}
    </>
  );
}

function Findings({ checked: { ok, findings } }: { readonly checked: Checked }) {
  return (
    <>
      <p>
        <StatusWord tone={ok ? "good" : "bad"}>{ok ? "nothing in the way" : "in the way"}</StatusWord>
      </p>
      {findings.map(({ code, place, what, fix }) => (
        <p key={`${code} ${place}`}>
          <code>{code}</code> {place}: {what} <span class="muted">{fix}</span>
        </p>
      ))}
    </>
  );
}

/** The time of an operation, as its beginning and how long it took. */
export function tookText(startedAt: string, endedAt: string | null): string {
  const began = dayAndClock(startedAt);
  return endedAt === null ? began : `${began}, took ${duration(Date.parse(endedAt) - Date.parse(startedAt))}`;
}
