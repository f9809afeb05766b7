/** Asks the API. */

import { ApiFailure, type Trouble, troubleOf } from "./failure.ts";
import { authorization, signOut, token } from "./session.ts";
import type { Acts, Gives } from "./types.ts";

export const BASE = "/api/v1";
/** The server gives up after a minute. */
const ANSWER_WITHIN_MS = 70_000;

/** Rejects with an {@link ApiFailure}, with a TypeError where there is no server, and with the signal's reason once it has aborted. */
export async function get<Path extends keyof Gives>(
  path: Path,
  query: URLSearchParams | undefined,
  signal: AbortSignal,
): Promise<Gives[Path]> {
  const address = query === undefined || query.size === 0 ? path : `${path}?${query}`;
  return ask(address, {}, signal);
}

/**
 * Has something done. What the signal ends is the waiting for an answer: the server may have begun by then. Rejects as {@link get} does.
 */
export async function post<Path extends keyof Acts>(
  path: Path,
  body: Acts[Path]["takes"],
  signal: AbortSignal,
): Promise<Acts[Path]["gives"]> {
  return ask(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) }, signal);
}

async function ask<Answer>(address: string, init: RequestInit & { headers?: Record<string, string> }, signal: AbortSignal) {
  const asWhom = token.value;
  const response = await fetch(`${BASE}${address}`, {
    ...init,
    headers: { ...init.headers, ...authorization() },
    cache: "no-store",
    signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]),
  });
  if (response.ok) return (await response.json()) as Answer;
  throw refusal(await troubleOf(response), asWhom);
}

/** A token that is no longer taken is forgotten, unless another one has taken its place meanwhile. */
export function refusal(trouble: Trouble, asWhom: string | null): ApiFailure {
  if (trouble.status === 401 && asWhom !== null && asWhom === token.value) signOut(trouble);
  return new ApiFailure(trouble);
}
