/**
 * The phases of a tenant as a state machine: one discriminated union, one total table of transitions. Pure; whoever changes a phase in the
 * state tables asks {@link transition} first.
 *
 * planned → expanding → backfilling → catching-up → in-sync → cutting-over → soaking → contracted, and back to in-sync or further while that can
 * be had. A stop (a change that cannot be applied) is not a phase: the tenant keeps its phase and stands still in it.
 *
 * A mirror (mirror.ts) has the same machine for the feed that goes the other way: idle → catching-up → in-sync → cutting-over → idle.
 */

import type { Lsn } from "./position.ts";

export type TenantState =
  | { readonly phase: "planned" }
  | { readonly phase: "expanding" }
  | { readonly phase: "backfilling"; readonly wave: number }
  /** Until its lane has passed `settleLsn` the target is not the source as of any position. */
  | { readonly phase: "catching-up"; readonly settleLsn: Lsn }
  | { readonly phase: "in-sync" }
  /** A switch is under way and may still be undone. */
  | { readonly phase: "cutting-over" }
  /** Switched: the target is its home, and what is still written at the source is late. */
  | { readonly phase: "soaking" }
  | { readonly phase: "contracted" }
  /** Of a mirror: armed, so that its changes are published, and its home is the side that they would go to. */
  | { readonly phase: "idle" };

export type Phase = TenantState["phase"];

export type TenantEvent =
  | { readonly event: "expand" }
  | { readonly event: "expanded"; readonly wave: number }
  | { readonly event: "copied"; readonly settleLsn: Lsn }
  /** The lane stands at `lsn`, and every foreign key is in place. */
  | { readonly event: "caught-up"; readonly lsn: Lsn }
  | { readonly event: "cut-over" }
  /** The switch was undone before its point of no return. */
  | { readonly event: "stayed" }
  /** The switch's point of no return: `to` is where a feed leaves its tenants, see src/mirror/feed.ts. */
  | { readonly event: "left"; readonly to: "soaking" | "idle" }
  /** The tenant's home is this feed's source again, and its target equals it as of a snapshot. */
  | { readonly event: "entered"; readonly settleLsn: Lsn }
  | { readonly event: "contract" }
  /** Before any switch: nothing of it is left at the target. */
  | { readonly event: "withdrawn" };

/** The state after the event, or undefined when the event means nothing in this state: it came late or twice, and nothing is to be done. */
export function transition(state: TenantState, event: TenantEvent): TenantState | undefined {
  if (event.event === "withdrawn") return isBeforeSwitch(state) ? { phase: "planned" } : undefined;
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
      if (event.event === "cut-over") return { phase: "cutting-over" };
      return event.event === "left" ? { phase: event.to } : undefined;
    case "cutting-over":
      if (event.event === "stayed") return { phase: "in-sync" };
      return event.event === "left" ? { phase: event.to } : undefined;
    case "soaking":
      if (event.event === "contract") return { phase: "contracted" };
      return event.event === "entered" ? { phase: "catching-up", settleLsn: event.settleLsn } : undefined;
    case "idle":
      return event.event === "entered" ? { phase: "catching-up", settleLsn: event.settleLsn } : undefined;
    case "contracted":
      return undefined;
  }
}

function isBeforeSwitch({ phase }: TenantState): boolean {
  return phase === "expanding" || phase === "backfilling" || phase === "catching-up" || phase === "in-sync";
}
