import { RehouseError } from "../errors.ts";
import type { Finding } from "./finding.ts";

type Obstacle = Pick<Finding, "place" | "what" | "fix"> & { readonly code: string };

/** A server that went away while it was asked is waited for, and asked again: what else was found may come of that. */
export function preflightError(errors: readonly Obstacle[]): RehouseError {
  return new RehouseError(errors.some(({ code }) => code === "unreachable") ? "REHOUSE_UNREACHABLE" : "REHOUSE_PREFLIGHT", {
    what: errors.map(({ code, place, what, fix }) => `${code}: ${place}: ${what} (${fix})`).join("\n"),
    fix: "`rehouse check` shows all findings with their fixes",
  });
}
