/** The file's own signals: a SQL query on a side, an HTTP check. */

import { setTimeout as delay } from "node:timers/promises";
import type { ThrottleCheck } from "../file/index.ts";
import type { Database } from "../ports.ts";
import { redact } from "../redact.ts";
import { askHttp, askQuery } from "../soak/index.ts";
import type { Reading } from "./signal.ts";

const EVERY_MS = 2_000;
const LONGEST_WORDS = 60;

export class Checks {
  readonly #checks: readonly ThrottleCheck[];
  readonly #sides: { readonly source: Database; readonly target: Database };
  readonly #last = new Map<ThrottleCheck, Reading>();
  readonly #asked = new Set<ThrottleCheck>();

  constructor(checks: readonly ThrottleCheck[], sides: { readonly source: Database; readonly target: Database }) {
    this.#checks = checks;
    this.#sides = sides;
  }

  get readings(): Reading[] {
    return [...this.#last.values()];
  }

  /** Whether each was asked once. */
  get hasLooked(): boolean {
    return this.#asked.size === this.#checks.length;
  }

  /** Each by itself, so that a slow one does not put off the others. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(
      this.#checks.map(async (check) => {
        while (!signal.aborted) {
          const reading = await this.#ask(check, signal);
          // One that could not be asked says nothing.
          if (reading === undefined) this.#last.delete(check);
          else this.#last.set(check, reading);
          this.#asked.add(check);
          await delay(EVERY_MS, undefined, { signal }).catch(() => undefined);
        }
      }),
    );
  }

  async #ask(check: ThrottleCheck, signal: AbortSignal): Promise<Reading | undefined> {
    if (check.kind === "http") {
      const wrong = await askHttp(check.url, signal);
      return {
        signal: `http ${words(check.url)}`,
        value: wrong === undefined ? 0 : 1,
        limit: { slow: undefined, pause: 1 },
        unit: "count",
      };
    }
    const found = await askQuery(this.#sides[check.on], check.sql, { tenant: "", schema: undefined });
    if (found.kind === "problem") return undefined;
    const value = found.value === "true" ? 1 : found.value === "false" ? 0 : Number(found.value);
    return Number.isFinite(value)
      ? { signal: `${check.on} query ${words(check.sql)}`, value, limit: check.limit, unit: "count" }
      : undefined;
  }
}

function words(text: string): string {
  const line = redact(text.replaceAll(/\s+/g, " ").trim());
  return line.length <= LONGEST_WORDS ? line : `${line.slice(0, LONGEST_WORDS - 1)}…`;
}
