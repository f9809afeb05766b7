/** The operator's hand on the pace: pause, resume, and a ceiling for one role or all, for a while or until somebody lifts it. */

import { useState } from "preact/hooks";
import type { PacedRole, Summary } from "../../api/types.ts";
import { type Doing, useDoing } from "../../live/done.ts";
import { may, whyNot } from "../../live/who.ts";
import { Panel } from "../../parts/Panel.tsx";
import { Said } from "../../parts/Said.tsx";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** 0: until somebody says otherwise. */
const TIMES: readonly (readonly [number, string])[] = [
  [0, "until it is lifted"],
  [15 * MINUTE_MS, "for 15 minutes"],
  [HOUR_MS, "for 1 hour"],
  [2 * HOUR_MS, "for 2 hours"],
  [4 * HOUR_MS, "for 4 hours"],
  [8 * HOUR_MS, "for 8 hours"],
  [24 * HOUR_MS, "for 1 day"],
];
const ROLES: readonly PacedRole[] = ["backfill", "reconcile", "apply"];

export function Hand({ summary }: { readonly summary: Summary }) {
  const doing = useDoing();
  return (
    <Panel title="By hand">
      {may("operator") ? (
        <div class="hand">
          <Hold isPaused={summary.state === "paused"} doing={doing} />
          <Ceiling doing={doing} />
          <Said doing={doing} />
        </div>
      ) : (
        <p class="muted">Pause, resume and a ceiling for the pace: {whyNot("operator")}.</p>
      )}
    </Panel>
  );
}

function Hold({ isPaused, doing: { act, isBusy } }: { readonly isPaused: boolean; readonly doing: Doing }) {
  const [forMs, setForMs] = useState(0);
  return (
    <form
      class="hand-line"
      onSubmit={(event) => {
        event.preventDefault();
        if (isPaused) act("/resume", {});
        else act("/pause", forMs === 0 ? {} : { forMs });
      }}
    >
      {!isPaused && <Times label="Hold copying and applying back" value={forMs} onChange={setForMs} />}
      <button type="submit" disabled={isBusy}>
        {isPaused ? "Resume" : "Pause"}
      </button>
    </form>
  );
}

function Ceiling({ doing: { act, isBusy } }: { readonly doing: Doing }) {
  const [role, setRole] = useState<PacedRole | "">("");
  const [percent, setPercent] = useState("50");
  const [forMs, setForMs] = useState(0);
  const pace = Number(percent) / 100;
  const isGood = percent.trim() !== "" && pace >= 0 && pace <= 1;
  return (
    <form
      class="hand-line"
      onSubmit={(event) => {
        event.preventDefault();
        if (isGood) act("/throttle", { pace, ...(role === "" ? {} : { role }), ...(forMs === 0 ? {} : { forMs }) });
      }}
    >
      <label>
        <span class="muted">At most</span>
        <span>
          <input
            type="number"
            min="0"
            max="100"
            step="1"
            value={percent}
            onInput={({ currentTarget: { value } }) => setPercent(value)}
          />{" "}
          %
        </span>
      </label>
      <label>
        <span class="muted">Role</span>
        <select value={role} onChange={({ currentTarget: { value } }) => setRole(ROLES.find((one) => one === value) ?? "")}>
          <option value="">all roles</option>
          {ROLES.map((one) => (
            <option key={one} value={one}>
              {one}
            </option>
          ))}
        </select>
      </label>
      <Times label="How long" value={forMs} onChange={setForMs} />
      <button type="submit" disabled={isBusy || !isGood}>
        {pace === 1 ? "Lift the ceiling" : "Set the ceiling"}
      </button>
    </form>
  );
}

type TimesProps = { readonly label: string; readonly value: number; readonly onChange: (ms: number) => void };

function Times({ label, value, onChange }: TimesProps) {
  return (
    <label>
      <span class="muted">{label}</span>
      <select value={String(value)} onChange={(event) => onChange(Number(event.currentTarget.value))}>
        {TIMES.map(([ms, text]) => (
          <option key={ms} value={String(ms)}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}
