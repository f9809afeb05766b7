/** A criterion in words, and what came of asking it. Pure. */

import type { SoakCriterion } from "../file/index.ts";
import { redact } from "../redact.ts";

/** What was found, of one tenant. */
export type Finding =
  | { readonly kind: "asked"; readonly holds: boolean; readonly value: string }
  /** It could not be asked, which says nothing of the tenant. */
  | { readonly kind: "problem"; readonly problem: string };

/** The same text as long as the criterion stays the same; no secret of a URL is in it. */
export function inWords(criterion: SoakCriterion): string {
  switch (criterion.kind) {
    case "differences":
    case "apply-stopped":
      return criterion.kind;
    case "lag":
      return `lag over ${seconds(criterion.overMs)}`;
    case "query":
      return `query on ${criterion.on}: ${criterion.sql.replaceAll(/\s+/g, " ").trim()}`;
    case "http":
      return `http ${redact(criterion.url)}, ${criterion.fails} failures in a row`;
  }
}

/** 45 s, 1.5 s. */
export function seconds(ms: number): string {
  return `${Number((ms / 1000).toFixed(1))} s`;
}

/** What asks for something outside the state tables is asked so often; the others with every look. */
export function everyMs(criterion: SoakCriterion): number {
  if (criterion.kind === "http") return criterion.everyMs;
  return criterion.kind === "query" ? QUERY_EVERY_MS : 0;
}

const QUERY_EVERY_MS = 10_000;
