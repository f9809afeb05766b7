/** A question to a server: bounded in time, and its failure is a finding like others, so that the other questions go on. */

import { RehouseError } from "../errors.ts";
import { inTime, TimedOut } from "../in-time.ts";
import { ConnectionLost, ServerError } from "../ports.ts";
import { error, type Finding, warning } from "./finding.ts";

export const STATEMENT_MS = 20_000;
/** Above the statements' own limit, so that Postgres' message comes first where it can. */
export const PROBE_MS = 25_000;

/** What a question itself may end with. */
export type ProbeCode = "unreachable" | "probe-failed";
export type ProbeFinding = Finding & { readonly code: ProbeCode };

export type Answered<T> = { readonly value: T | undefined; readonly findings: readonly ProbeFinding[] };

/** `place`: the server, for people; `what`: the question, as in "<what> could not be seen". */
export async function probe<T>(place: string, what: string, signal: AbortSignal, ask: () => Promise<T>): Promise<Answered<T>> {
  try {
    return { value: await inTime(ask(), PROBE_MS, what, signal), findings: [] };
  } catch (cause) {
    signal.throwIfAborted();
    return { value: undefined, findings: [failure(place, what, cause)] };
  }
}

/** The same for a question whose answer is findings. */
export async function findings(
  place: string,
  what: string,
  signal: AbortSignal,
  ask: () => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  const answered = await probe(place, what, signal, ask);
  return [...answered.findings, ...(answered.value ?? [])];
}

function failure(place: string, what: string, cause: unknown): ProbeFinding {
  if (cause instanceof TimedOut)
    return warning(
      "probe-failed",
      place,
      `${what} could not be seen within ${PROBE_MS / 1000} s`,
      "look at what keeps the server busy, then check again",
    );
  if (cause instanceof ConnectionLost)
    return error("unreachable", place, `the connection broke: ${cause.message}`, "check that the server runs and stays up");
  if (cause instanceof ServerError)
    return warning(
      "probe-failed",
      place,
      `${what} could not be seen: ${cause.message}`,
      cause.hint ?? "grant what the message names, then check again",
    );
  if (cause instanceof RehouseError && cause.code !== "REHOUSE_INTERNAL") {
    return error(
      "unreachable",
      cause.where === undefined ? place : `${place.split(" ")[0]} ${cause.where}`,
      cause.message,
      cause.fix ?? "check that the server runs and that its address is right",
    );
  }
  throw cause;
}
