/** Light or dark: what the system says, until somebody says otherwise here. */

import { computed, signal } from "@preact/signals";

export type Theme = "light" | "dark";
const KEY = "rehouse-theme";

const system = window.matchMedia("(prefers-color-scheme: dark)");
const preferred = signal<Theme>(system.matches ? "dark" : "light");
system.addEventListener("change", () => {
  preferred.value = system.matches ? "dark" : "light";
});

const chosen = signal<Theme | null>(kept());
export const theme = computed(() => chosen.value ?? preferred.value);

export function choose(next: Theme): void {
  // What the system says as well is not held against it for ever.
  chosen.value = next === preferred.value ? null : next;
  if (chosen.value === null) localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, chosen.value);
  apply();
}

/** The style sheet goes by the system where the page says nothing. */
export function apply(): void {
  if (chosen.value === null) delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = chosen.value;
}

function kept(): Theme | null {
  const value = localStorage.getItem(KEY);
  return value === "light" || value === "dark" ? value : null;
}
