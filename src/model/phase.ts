/**
 * The phases of a tenant as a state machine: one discriminated union, one total table of transitions. Pure; whoever changes a phase in the
 * state tables asks {@link transition} first.
 *
 * planned → expanding → backfilling → catching-up → in-sync. A stop (a change that cannot be applied) is not a phase: the tenant keeps
 * its phase and stands still in it.
 */

import type { Lsn } from "./position.ts";

export type TenantState =
  | { readonly phase: "planned" }
  | { readonly phase: "expanding" }
  | { readonly phase: "backfilling"; readonly wave: number }
  /** Until its lane has passed `settleLsn` the target is not the source as of any position. */
  | { readonly phase: "catching-up"; readonly settleLsn: Lsn }
  | { readonly phase: "in-sync" };

export type Phase = TenantState["phase"];

export type TenantEvent =
  | { readonly event: "expand" }
  | { readonly event: "expanded"; readonly wave: number }
  | { readonly event: "copied"; readonly settleLsn: Lsn }
  /** The lane stands at `lsn`, and every foreign key is in place. */
  | { readonly event: "caught-up"; readonly lsn: Lsn };

/** The state after the event, or undefined when the event means nothing in this state: it came late or twice, and nothing is to be done. */
export function transition(state: TenantState, event: TenantEvent): TenantState | undefined {
  switch (state.phase) {
    case "planned":
      return event.event === "expand" ? { phase: "expanding" } : undefined;
    case "expanding":
      return event.event === "expanded" ? { phase: "backfilling", wave: event.wave } : undefined;
    case "backfilling":
      return event.event === "copied" ? { phase: "catching-up", settleLsn: event.settleLsn } : undefined;
    case "catching-up":
      return event.event === "caught-up" && event.lsn >= state.settleLsn ? { phase: "in-sync" } : undefined;
    case "in-sync":
      return undefined;
  }
}
