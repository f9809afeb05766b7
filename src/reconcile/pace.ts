/** How much of its time a process works: the time in which one of its statements is under way, whichever and wherever. */

import type { Session } from "../ports.ts";

export class Meter {
  #underWay = 0;
  #since = 0;
  #workedMs = 0;

  /** What was worked since it was asked the last time. */
  take(): number {
    const worked = this.#workedMs;
    this.#workedMs = 0;
    return worked;
  }

  /** The same session, metered. Rows come by its queries alone. */
  metered(session: Session): Session {
    return {
      get pid() {
        return session.pid;
      },
      query: (sql, params) => this.#during(() => session.query(sql, params)),
      pipeline: (statements) => this.#during(() => session.pipeline(statements)),
      copyOut: (sql) => session.copyOut(sql),
      copyIn: (sql) => session.copyIn(sql),
      close: (force) => session.close(force),
    };
  }

  async #during<T>(work: () => Promise<T>): Promise<T> {
    if (this.#underWay++ === 0) this.#since = performance.now();
    try {
      return await work();
    } finally {
      if (--this.#underWay === 0) this.#workedMs += performance.now() - this.#since;
    }
  }
}

/** How long to rest after work of `workedMs`, so that `pace` of the time was work. */
export function restAfter(workedMs: number, pace: number): number {
  return workedMs * (1 / pace - 1);
}
