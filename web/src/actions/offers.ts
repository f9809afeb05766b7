/** What can be done with a tenant as it stands, and who may. Whether it can be done now is the engine's word. Pure. */

import type { Role, Tenant } from "../api/types.ts";

export type Action = "cutover" | "rollback" | "give-up" | "contract" | "retry" | "skip" | "move-again";
export type Offer = { readonly action: Action; readonly label: string; readonly role: Role };

const OFFERS: Readonly<Record<Action, Omit<Offer, "action">>> = {
  cutover: { label: "Switch to the target", role: "operator" },
  rollback: { label: "Lead back to the source", role: "operator" },
  "give-up": { label: "Give the move up", role: "operator" },
  contract: { label: "Contract", role: "admin" },
  retry: { label: "Try the change again", role: "operator" },
  skip: { label: "Skip the change", role: "operator" },
  "move-again": { label: "Move it again", role: "operator" },
};

export function offerOf(action: Action): Offer {
  return { action, ...OFFERS[action] };
}

export function offersFor(tenant: Pick<Tenant, "phase" | "stopped" | "held">): Offer[] {
  const { phase, stopped, held } = tenant;
  if (phase === "contracted") return [];
  if (held === true) return [offerOf("move-again")];
  const mend: Action[] = stopped === null ? [] : stopped.position === null ? ["retry"] : ["retry", "skip"];
  return [...mend, ...(isSwitched(tenant) ? SWITCHED : AT_HOME)].map(offerOf);
}
const AT_HOME: readonly Action[] = ["cutover", "give-up"];
const SWITCHED: readonly Action[] = ["rollback", "contract"];

/** As `rehouse rollback` sees it: a tenant that is switched goes back, another one is given up and its rows at the target are removed. */
export function isSwitched({ phase }: Pick<Tenant, "phase">): boolean {
  return phase === "cutting-over" || phase === "soaking" || phase === "contracted";
}
