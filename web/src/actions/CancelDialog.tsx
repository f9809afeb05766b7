/** Cancel: ends the migration and removes what it has made. */

import { useState } from "preact/hooks";
import { useBegun } from "../live/operation.ts";
import { Dialog } from "../parts/Dialog.tsx";
import { Name } from "../parts/Name.tsx";
import { EndButton, Run } from "./SwitchDialog.tsx";
import { TypedName } from "./TypedName.tsx";
import { isTyped } from "./typed.ts";

export function CancelDialog({ migration, onClose }: { readonly migration: string; readonly onClose: () => void }) {
  const [typed, setTyped] = useState("");
  const real = useBegun();
  const isReal = real.operation !== null || real.isSending;
  const isOver = real.whole !== null || (real.trouble !== null && !real.isSending);
  return (
    <Dialog
      title={
        <>
          End the migration: <Name text={migration} />
        </>
      }
      onClose={onClose}
      step={isOver ? "over" : isReal ? "real" : "ask"}
      buttons={
        <>
          {!isReal && !isOver && (
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
      {!isReal && !isOver && (
        <>
          <p>What the migration has made for itself is removed. This cannot be undone; another one begins with a new copy.</p>
          <TypedName name={migration} value={typed} onInput={setTyped} />
        </>
      )}
      <Run begun={real} what="Cancel" />
    </Dialog>
  );
}
