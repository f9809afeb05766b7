/** Who is asking. The token lives as long as the tab, and goes nowhere but into the Authorization header. */

import { computed, signal } from "@preact/signals";
import type { Trouble } from "./failure.ts";

const KEY = "rehouse-token";

const current = signal<string | null>(sessionStorage.getItem(KEY));
export const token = computed(() => current.value);

/** Whether somebody wants to sign in, where it can be looked at without. */
export const isAsking = signal(false);

/** Why the last token was not taken. */
export const refused = signal<Trouble | null>(null);

export function signIn(text: string): void {
  sessionStorage.setItem(KEY, text);
  refused.value = null;
  isAsking.value = false;
  current.value = text;
}

/** `why`: the server's word, where it is the server that wants no more of this token. */
export function signOut(why: Trouble | null = null): void {
  sessionStorage.removeItem(KEY);
  refused.value = why;
  current.value = null;
}

export function authorization(): Record<string, string> {
  return current.value === null ? {} : { authorization: `Bearer ${current.value}` };
}
