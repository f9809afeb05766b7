/** Skip: goes on without the one change that stopped a tenant. */

import { useState } from "preact/hooks";
import { useDoing } from "../live/done.ts";
import { Dialog } from "../parts/Dialog.tsx";
import { Name } from "../parts/Name.tsx";
import { Said } from "../parts/Said.tsx";

type Props = {
  readonly tenant: string;
  readonly stopped: { readonly what: string; readonly position: string };
  readonly onClose: () => void;
};

export function SkipDialog({ tenant, stopped: given, onClose }: Props) {
  // The change that was read here is the one that is left out, and no later one.
  const [{ what, position }] = useState(given);
  const doing = useDoing();
  return (
    <Dialog
      title={
        <>
          Skip the change: <Name text={tenant} />
        </>
      }
      onClose={onClose}
      step={doing.did === null ? "ask" : "over"}
      buttons={
        <>
          {doing.did === null && (
            <button type="button" class="danger" disabled={doing.isBusy} onClick={() => doing.act("/skip", { tenant, position })}>
              Go on without it
            </button>
          )}
          <button type="button" onClick={onClose}>
            Close
          </button>
        </>
      }
    >
      <p>{what}</p>
      <p>
        The change <code>{position}</code> is left out, and no other. Its row differs from then on until it is repaired.
      </p>
      <Said doing={doing} />
    </Dialog>
  );
}
