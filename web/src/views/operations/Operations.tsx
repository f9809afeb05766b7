/** What was asked of this server: what is under way, and what was, with what came of it. */

import { useState } from "preact/hooks";
import { CancelDialog } from "../../actions/CancelDialog.tsx";
import { Outcome, tookText } from "../../actions/Outcome.tsx";
import { Progress } from "../../actions/Progress.tsx";
import { asTrouble, type Trouble } from "../../api/failure.ts";
import { token } from "../../api/session.ts";
import type { OperationSummary } from "../../api/types.ts";
import { many, oneLine, whole } from "../../format.ts";
import { useAsked } from "../../live/asked.ts";
import { operations, summary } from "../../live/live.ts";
import { askToEnd, useOperation } from "../../live/operation.ts";
import { may, whyNot } from "../../live/who.ts";
import { Loading } from "../../parts/Loading.tsx";
import { Name } from "../../parts/Name.tsx";
import { Panel } from "../../parts/Panel.tsx";
import { StatusWord } from "../../parts/StatusWord.tsx";
import { TroubleNote } from "../../parts/TroubleNote.tsx";
import { tenantAt } from "../../shell/routes.ts";
import { SignIn } from "../../shell/SignIn.tsx";
import { merged, wordOf } from "./merged.ts";

/** The stream tells of what changes; what was before the page was opened is asked for. */
const EVERY_MS = 10_000;

export function Operations() {
  return (
    <>
      <h1 class="hidden">Operations</h1>
      {token.value === null ? <SignIn what="what was asked of this server" /> : <Lists />}
      <End />
    </>
  );
}

function Lists() {
  const { answer, trouble } = useAsked("/operations", { everyMs: EVERY_MS });
  if (answer === null) return trouble === null ? <Loading what="operations" /> : <TroubleNote trouble={trouble} />;
  const all = merged(answer.operations, operations.value);
  const [running, ended] = [all.filter(({ endedAt }) => endedAt === null), all.filter(({ endedAt }) => endedAt !== null)];
  return (
    <>
      {trouble !== null && <TroubleNote trouble={trouble} title="What is shown is old." />}
      <Panel title="Under way">
        {running.length === 0 && <p class="muted">Nothing that was asked of this server is under way.</p>}
        <ul class="operations">
          {running.map((operation) => (
            <Running key={operation.id} operation={operation} />
          ))}
        </ul>
      </Panel>
      <Panel title="Ended" beside={<span class="muted">the newest hundred, since this server was started</span>}>
        {ended.length === 0 && <p class="muted">None.</p>}
        <ul class="operations">
          {ended.map((operation) => (
            <Ended key={operation.id} operation={operation} />
          ))}
        </ul>
      </Panel>
    </>
  );
}

function Head({ operation }: { readonly operation: OperationSummary }) {
  const { action, dryRun, tenants, startedBy, startedAt, endedAt } = operation;
  const [tone, word] = wordOf(operation);
  const [only] = tenants ?? [];
  return (
    <div class="matter-head">
      <StatusWord tone={tone}>{word}</StatusWord>
      <b>
        {action}
        {dryRun && ", a dry run"}
      </b>
      {tenants?.length === 1 && only !== undefined && (
        <a href={tenantAt(only)}>
          <Name text={only} />
        </a>
      )}
      {tenants !== null && tenants.length !== 1 && <span>{many(tenants.length, "tenant")}</span>}
      <span class="muted">
        by {oneLine(startedBy)}, {tookText(startedAt, endedAt)}
      </span>
    </div>
  );
}

function Running({ operation }: { readonly operation: OperationSummary }) {
  const [trouble, setTrouble] = useState<Trouble | null>(null);
  const { id, action, state } = operation;
  return (
    <li>
      <Head operation={operation} />
      <Progress operation={operation} what={action} />
      {may("operator") ? (
        <button
          type="button"
          disabled={state === "cancelling"}
          onClick={() => void askToEnd(id).catch((error: unknown) => setTrouble(asTrouble(error)))}
        >
          Cancel the operation
        </button>
      ) : (
        <p class="muted">To cancel it: {whyNot("operator")}.</p>
      )}
      {trouble !== null && <TroubleNote trouble={trouble} />}
    </li>
  );
}

function Ended({ operation }: { readonly operation: OperationSummary }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <li>
      <Head operation={operation} />
      {operation.error !== null && <TroubleNote trouble={operation.error} />}
      {operation.state === "done" && (
        <details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
          <summary>What came of it</summary>
          {isOpen && <Whole id={operation.id} />}
        </details>
      )}
    </li>
  );
}

function Whole({ id }: { readonly id: string }) {
  const { whole: done, lost } = useOperation(id);
  if (lost !== null) return <TroubleNote trouble={lost} />;
  return done === null ? <Loading what="it" /> : <Outcome operation={done} />;
}

function End() {
  const [isOpen, setOpen] = useState(false);
  const it = summary.value;
  if (it === null || (it.state === "cancelled" && !isOpen)) return null;
  const { phases, total } = it.tenants;
  return (
    <Panel title="End the migration" kind="end">
      <p>
        {phases.contracted === total && total > 0
          ? "Every tenant has left its old home."
          : `${whole(total - phases.contracted)} of ${many(total, "tenant")} have not left their old home.`}{" "}
        Slot, publication, triggers, topics and what was made at the target for the move alone are removed; shared tables and the
        rows in them stay.
      </p>
      {may("admin") ? (
        <button type="button" class="danger" onClick={() => setOpen(true)}>
          End the migration …
        </button>
      ) : (
        <p class="muted">To end it: {whyNot("admin")}.</p>
      )}
      {isOpen && <CancelDialog migration={it.migration} onClose={() => setOpen(false)} />}
    </Panel>
  );
}
