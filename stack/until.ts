/** Asks again and again until a condition holds, for the places where no event can be awaited. */
export type Wait = {
  /** Milliseconds after which waiting is given up. */
  deadlineMs: number;
  /** What is awaited, as the end of the sentence "waited 30 s for ...". */
  what: string;
  /** Milliseconds between two questions. */
  everyMs?: number;
};

/**
 * The first value of `condition` that is neither false nor undefined. A condition that throws does not hold yet: servers that are
 * still starting refuse connections. The last such error is the cause of the one that the deadline throws.
 */
export async function until<T>(condition: () => Promise<T | false | undefined> | T | false | undefined, wait: Wait): Promise<T> {
  const deadline = performance.now() + wait.deadlineMs;
  let cause: unknown;
  for (;;) {
    try {
      const answer = await condition();
      if (answer !== false && answer !== undefined) return answer;
      cause = undefined;
    } catch (error) {
      if (error instanceof GiveUp) throw error;
      cause = error;
    }
    if (performance.now() > deadline) {
      const because = cause instanceof Error ? `: ${cause.message}` : "";
      throw new Error(`waited ${wait.deadlineMs / 1000} s for ${wait.what}${because}`, { cause });
    }
    await new Promise((resume) => setTimeout(resume, wait.everyMs ?? 50));
  }
}

/** Thrown by a condition that can no longer come true, so that nobody waits for the deadline. */
export class GiveUp extends Error {}
