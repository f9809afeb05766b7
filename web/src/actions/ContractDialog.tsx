/** Contract: removes a tenant from its old home, for good. */

import { useState } from "preact/hooks";
import type { Tenant } from "../api/types.ts";
import { useBegun } from "../live/operation.ts";
import { Dialog } from "../parts/Dialog.tsx";
import { Name } from "../parts/Name.tsx";
import { now } from "../shell/now.ts";
import { Checklist } from "./Checklist.tsx";
import { contractChecks } from "./gates.ts";
import { EndButton, Run, stepOf } from "./SwitchDialog.tsx";
import { TypedName } from "./TypedName.tsx";
import { isTyped } from "./typed.ts";

export function ContractDialog({ tenant: given, onClose }: { readonly tenant: Tenant; readonly onClose: () => void }) {
  const [tenant] = useState(given);
  const [typed, setTyped] = useState("");
  const [isNow, setNow] = useState(false);
  const [archive, setArchive] = useState(false);
  const real = useBegun();
  const step = stepOf(real);
  const checks = contractChecks(tenant, { isNow, nowMs: now.value });
  const isOpen = checks.every(({ state }) => state !== "not met");
  const go = () => real.begin("/contract", { tenants: [tenant.tenant], confirm: [tenant.tenant], archive, now: isNow });
  return (
    <Dialog
      title={
        <>
          Contract: <Name text={tenant.tenant} />
        </>
      }
      onClose={onClose}
      step={step}
      buttons={
        <>
          {step === "ask" && (
            <button type="button" class="danger" disabled={!isOpen || !isTyped(typed, tenant.tenant)} onClick={go}>
              Remove it from its old home
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
          <p>Its rows at the old home are removed. This cannot be undone, and there is no way back after it.</p>
          <Checklist checks={checks} label="Before anything is removed" />
          <p class="muted">What is not asked here is asked before anything is removed.</p>
          <label class="check">
            <input type="checkbox" checked={isNow} onChange={({ currentTarget }) => setNow(currentTarget.checked)} /> Do not wait
            for the soak
          </label>
          <label class="check">
            <input type="checkbox" checked={archive} onChange={({ currentTarget }) => setArchive(currentTarget.checked)} /> Keep
            the rows in the archive of the server (`rehouse serve --archive`)
          </label>
          <TypedName name={tenant.tenant} value={typed} onInput={setTyped} />
        </>
      )}
      <Run begun={real} what="Contract" />
    </Dialog>
  );
}
