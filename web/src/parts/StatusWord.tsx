/** States in words; the colour only says the same again. */

import type { ComponentChildren } from "preact";
import type { Phase, State, Tenant } from "../api/types.ts";

export type Tone = "calm" | "busy" | "good" | "warn" | "bad" | "idle";

export function StatusWord({ tone, children }: { readonly tone: Tone; readonly children: ComponentChildren }) {
  return <span class={`word tone-${tone}`}>{children}</span>;
}

const STATES: Readonly<Record<State, Tone>> = {
  planned: "idle",
  running: "good",
  paused: "warn",
  stopped: "bad",
  cancelled: "bad",
};

export function StateWord({ state }: { readonly state: State }) {
  return <StatusWord tone={STATES[state]}>{state}</StatusWord>;
}

export const PHASE_TONES: Readonly<Record<Phase, Tone>> = {
  planned: "idle",
  expanding: "busy",
  backfilling: "busy",
  "catching-up": "busy",
  "in-sync": "good",
  "cutting-over": "warn",
  soaking: "calm",
  contracted: "idle",
};

/** What stops a tenant comes before how far it is. */
export function TenantWord({ tenant }: { readonly tenant: Pick<Tenant, "phase" | "stopped" | "held"> }) {
  if (tenant.stopped !== null) return <StatusWord tone="bad">stopped</StatusWord>;
  if (tenant.held === true) return <StatusWord tone="idle">given up</StatusWord>;
  return <StatusWord tone={PHASE_TONES[tenant.phase]}>{tenant.phase}</StatusWord>;
}
