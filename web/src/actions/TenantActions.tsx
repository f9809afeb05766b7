/** What can be done with a tenant from here, and a word why where something cannot. */

import { useState } from "preact/hooks";
import type { Tenant } from "../api/types.ts";
import { useDoing } from "../live/done.ts";
import { may, whyNot } from "../live/who.ts";
import { Said } from "../parts/Said.tsx";
import { ContractDialog } from "./ContractDialog.tsx";
import { type Action, type Offer, offersFor } from "./offers.ts";
import { SkipDialog } from "./SkipDialog.tsx";
import { SwitchDialog } from "./SwitchDialog.tsx";

export function TenantActions({ tenant }: { readonly tenant: Tenant }) {
  const [open, setOpen] = useState<Action | null>(null);
  const doing = useDoing();
  const offers = offersFor(tenant);
  const allowed = offers.filter(({ role }) => may(role));
  const close = () => setOpen(null);
  const press = ({ action }: Offer) =>
    action === "retry" || action === "move-again" ? doing.act("/retry", { tenants: [tenant.tenant] }) : setOpen(action);
  // What came of an action is read to the end, also where it leaves nothing to be done.
  if (offers.length === 0 && open === null) return null;
  return (
    <div class="actions">
      {allowed.map((offer) => (
        <button key={offer.action} type="button" disabled={doing.isBusy} onClick={() => press(offer)}>
          {offer.label}
        </button>
      ))}
      <NotOffered offers={offers.filter(({ role }) => !may(role))} />
      <Said doing={doing} />
      {(open === "cutover" || open === "rollback" || open === "give-up") && (
        <SwitchDialog action={open} tenants={[tenant]} onClose={close} />
      )}
      {open === "contract" && <ContractDialog tenant={tenant} onClose={close} />}
      {open === "skip" && <SkipOrNothing tenant={tenant} onClose={close} />}
    </div>
  );
}

/** While the dialog is open somebody else may have the tenant go on. */
function SkipOrNothing({ tenant, onClose }: { readonly tenant: Tenant; readonly onClose: () => void }) {
  const [stopped] = useState(tenant.stopped);
  if (stopped === null || stopped.position === null) return null;
  return <SkipDialog tenant={tenant.tenant} stopped={{ what: stopped.what, position: stopped.position }} onClose={onClose} />;
}

function NotOffered({ offers }: { readonly offers: readonly Offer[] }) {
  const roles = [...new Set(offers.map(({ role }) => role))];
  return (
    <>
      {roles.map((role) => (
        <span key={role} class="muted">
          {offers
            .filter((offer) => offer.role === role)
            .map(({ label }) => label)
            .join(", ")}
          : {whyNot(role)}.
        </span>
      ))}
    </>
  );
}
