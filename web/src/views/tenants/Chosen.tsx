/** What can be done with the tenants that were chosen in the table. */

import { useState } from "preact/hooks";
import { isSwitched } from "../../actions/offers.ts";
import { SwitchDialog, type Switching } from "../../actions/SwitchDialog.tsx";
import type { Tenant } from "../../api/types.ts";
import { many, whole } from "../../format.ts";

/** More at once are for `rehouse cutover --all`, which says how many go side by side. */
export const MOST_CHOSEN = 100;

type Props = { readonly tenants: readonly Tenant[]; readonly onClear: () => void };

export function Chosen({ tenants, onClear }: Props) {
  const [open, setOpen] = useState<Switching | null>(null);
  if (tenants.length === 0 && open === null) return null;
  const there = tenants.filter((tenant) => isSwitched(tenant) && tenant.phase !== "contracted");
  const here = tenants.filter((tenant) => !isSwitched(tenant) && tenant.held !== true);
  return (
    <section class="chosen" aria-label="Chosen tenants">
      <b>{many(tenants.length, "tenant")} chosen</b>
      {tenants.length >= MOST_CHOSEN && <span class="muted">no more at once</span>}
      {here.length > 0 && (
        <button type="button" onClick={() => setOpen("cutover")}>
          Switch {whole(here.length)} to the target
        </button>
      )}
      {there.length > 0 && (
        <button type="button" onClick={() => setOpen("rollback")}>
          Lead {whole(there.length)} back to the source
        </button>
      )}
      <span class="muted">Contract is asked of one tenant at a time, on its page.</span>
      <button type="button" class="quiet" onClick={onClear}>
        Choose none
      </button>
      {open !== null && <SwitchDialog action={open} tenants={open === "cutover" ? here : there} onClose={() => setOpen(null)} />}
    </section>
  );
}
