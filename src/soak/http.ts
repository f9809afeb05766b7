/** A criterion that is an HTTP check. */

const ANSWER_WITHIN_MS = 10_000;

/** Undefined when it answered with 2xx, else what was wrong. */
export async function askHttp(url: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const response = await fetch(url, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]),
    });
    await response.body?.cancel();
    return response.ok ? undefined : `answered with ${response.status}`;
  } catch (error) {
    if (error instanceof Error && error.name === "TimeoutError") return "no answer in time";
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return `no answer: ${cause instanceof Error ? cause.message : String(cause)}`;
  }
}
