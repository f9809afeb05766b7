/** What the copy's times say about the whole. Pure. */

import type { FenceTimes, RehearsalDocument, Size, Step, StepName } from "./document.ts";

/** What reads rows grows with them, what begins a move does not; a fence waits for what was written last, however much there is. */
export function predict(
  { copied, whole, fence }: Pick<RehearsalDocument, "copied" | "whole" | "fence">,
  { steps, setupMs }: { readonly steps: readonly Step[]; readonly setupMs: number },
): RehearsalDocument["predicted"] {
  const factor = growth(copied, whole);
  const grown = (name: StepName, fixedMs: number) => {
    const ms = steps.find(({ step }) => step === name)?.ms;
    return ms === undefined ? null : Math.round(fixedMs + Math.max(0, ms - fixedMs) * factor);
  };
  const { toTarget } = fence;
  return {
    moveMs: grown("move", setupMs),
    verifyMs: grown("verify", 0),
    fenceMs: toTarget === null ? null : { p50: toTarget.p50Ms, max: toTarget.maxMs },
  };
}

/** Statistics may know of fewer rows than the copy has. */
function growth(copied: Size, whole: Size): number {
  return Math.max(1, whole.rows / Math.max(1, copied.rows), whole.bytes / Math.max(1, copied.bytes));
}

export function fenceTimes(fencedMs: readonly number[]): FenceTimes | null {
  const sorted = fencedMs.toSorted((a, b) => a - b);
  const [middle, last] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted.at(-1)];
  return middle === undefined || last === undefined ? null : { switches: sorted.length, p50Ms: middle, maxMs: last };
}
