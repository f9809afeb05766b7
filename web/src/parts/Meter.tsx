/** How much of a whole, as a bar, for the eye: the figure stands beside it in words. */

import type { Tone } from "./StatusWord.tsx";

export function Meter({ part, tone }: { readonly part: number | null; readonly tone: Tone }) {
  return (
    <span class={`meter tone-${tone}`} aria-hidden="true">
      <span style={{ inlineSize: `${Math.round((part ?? 0) * 1000) / 10}%` }} />
    </span>
  );
}
