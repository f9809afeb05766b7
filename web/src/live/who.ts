/** Whom the token stands for, and what that one may do. The server decides; what it would refuse is not offered. */

import { computed, effect, signal } from "@preact/signals";
import { get } from "../api/client.ts";
import { token } from "../api/session.ts";
import type { Gives, Role } from "../api/types.ts";
import { connection } from "./live.ts";

type Known = Gives["/whoami"] & { readonly asWhom: string };

const known = signal<Known | null>(null);

/** Null while nobody is signed in, or it is not known yet. */
export const role = computed<Role | null>(() => (known.value?.asWhom === token.value ? (known.value?.role ?? null) : null));

/** Asks for it with every token, and again where the connection is back: returns what ends it. */
export function knowWho(): () => void {
  return effect(() => {
    const asWhom = token.value;
    if (asWhom === null || connection.value.kind !== "live") return undefined;
    const gone = new AbortController();
    get("/whoami", undefined, gone.signal).then(
      (answer) => {
        known.value = { ...answer, asWhom };
      },
      // Without an answer nothing is offered; a token that is not good has been forgotten by now.
      () => undefined,
    );
    return () => gone.abort();
  });
}

const RANK: Readonly<Record<Role, number>> = { viewer: 0, operator: 1, admin: 2 };

export function may(needed: Role): boolean {
  return role.value !== null && RANK[role.value] >= RANK[needed];
}

/** Why something is not offered. */
export function whyNot(needed: Role): string {
  if (token.value === null) return `sign in with a token of the role ${needed}`;
  if (role.value === null) return "what this token may do is not known yet";
  return `it takes the role ${needed}; this token has the role ${role.value}`;
}
