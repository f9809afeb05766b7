/** Cancel: ends the migration and removes what it has made. */

import { useState } from "preact/hooks";
import { useBegun } from "../live/operation.ts";
import { Dialog } from "../parts/Dialog.tsx";
import { Name } from "../parts/Name.tsx";
import { EndButton, Run, stepOf } from "./SwitchDialog.tsx";
import { TypedName } from "./TypedName.tsx";
import { isTyped } from "./typed.ts";

export function CancelDialog({ migration, onClose }: { readonly migration: string; readonly onClose: () => void }) {
  const [typed, setTyped] = useState("");
  const real = useBegun();
  const step = stepOf(real);
  return (
    <Dialog
      title={
        <>
          End the migration: <Name text={migration} />
        </>
      }
      onClose={onClose}
      step={step}
      buttons={
        <>
          {step === "ask" && (
            <button
              type="button"
              class="danger"
              disabled={!isTyped(typed, migration)}
              onClick={() => real.begin("/cancel", { confirm: [migration] })}
            >
              End it
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
          <p>What the migration has made for itself is removed. This cannot be undone; another one begins with a new copy.</p>
          <TypedName name={migration} value={typed} onInput={setTyped} />
        </>
      )}
      <Run begun={real} what="Cancel" />
    </Dialog>
  );
}
