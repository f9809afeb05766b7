/** What the gate asks, each with its answer in words. */

import { oneLine } from "../format.ts";
import { StatusWord, type Tone } from "../parts/StatusWord.tsx";
import type { Check } from "./gates.ts";

const TONES: Readonly<Record<Check["state"], Tone>> = {
  met: "good",
  "not met": "bad",
  waived: "warn",
  "not asked": "idle",
};

export function Checklist({ checks, label }: { readonly checks: readonly Check[]; readonly label: string }) {
  return (
    <ul class="checklist" aria-label={label}>
      {checks.map(({ gate, text, state, obstacles }) => (
        <li key={gate}>
          <StatusWord tone={TONES[state]}>{state}</StatusWord>
          <div>
            {text}
            {obstacles.map(({ value, limit, fix }) => (
              <p key={`${value} ${limit}`} class="obstacle">
                <b>{oneLine(value)}</b>, limit {oneLine(limit)}
                <span class="muted"> — {oneLine(fix)}</span>
              </p>
            ))}
          </div>
        </li>
      ))}
    </ul>
  );
}
