/** Where the page is, as a signal. */

import { computed, signal } from "@preact/signals";
import { parseRoute } from "./routes.ts";

const hash = signal(location.hash);
window.addEventListener("hashchange", () => {
  hash.value = location.hash;
});

export const route = computed(() => parseRoute(hash.value));

/** Another state of the same view: Back leads out of the view, not through every letter that was typed. */
export function replaceHash(to: string): void {
  history.replaceState(null, "", to);
  hash.value = to;
}
