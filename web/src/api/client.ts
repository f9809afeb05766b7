/** Asks the API. */

import { ApiFailure, type Trouble, troubleOf } from "./failure.ts";
import { authorization, signOut, token } from "./session.ts";
import type { Gives } from "./types.ts";

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
  const asWhom = token.value;
  const response = await fetch(`${BASE}${address}`, {
    headers: authorization(),
    cache: "no-store",
    signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]),
  });
  if (response.ok) return response.json();
  throw refusal(await troubleOf(response), asWhom);
}

/** A token that is no longer taken is forgotten, unless another one has taken its place meanwhile. */
export function refusal(trouble: Trouble, asWhom: string | null): ApiFailure {
  if (trouble.status === 401 && asWhom !== null && asWhom === token.value) signOut(trouble);
  return new ApiFailure(trouble);
}
