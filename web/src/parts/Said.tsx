/** What came of what was asked for, a sentence each; it is read out where somebody listens. */

import { oneLine } from "../format.ts";
import type { Doing } from "../live/done.ts";
import { TroubleNote } from "./TroubleNote.tsx";

export function Said({ doing: { did, trouble, isBusy } }: { readonly doing: Doing }) {
  return (
    <>
      <div role="status" class="said">
        {isBusy && <p class="muted">…</p>}
        {did?.map((sentence) => (
          <p key={sentence}>{oneLine(sentence)}</p>
        ))}
      </div>
      {trouble !== null && <TroubleNote trouble={trouble} />}
    </>
  );
}
