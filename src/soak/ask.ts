/** Asks criteria of tenants: one look at the mirror's state for all of them, and one request for all that share a URL. */

import type { SoakCriterion } from "../file/index.ts";
import type { Database } from "../ports.ts";
import { redact } from "../redact.ts";
import type { Finding } from "./criterion.ts";
import { type FeedFacts, judgeFeed, readFeed } from "./feed.ts";
import { askHttp } from "./http.ts";
import { askQuery } from "./query.ts";
import type { Kept, Soaking } from "./records.ts";

export type Sides = { readonly source: Database; readonly target: Database };

export type Answer = {
  readonly finding: Finding;
  /** In a row, this one included. */
  readonly failures: number;
};

/** For one look at all of them. */
export class Asker {
  readonly #sides: Sides;
  readonly #migration: string;
  readonly #tenants: readonly string[];
  readonly #signal: AbortSignal;
  #feed: Promise<FeedFacts | Finding> | undefined;
  readonly #answers = new Map<string, Promise<string | undefined>>();

  constructor(of: { sides: Sides; migration: string; tenants: readonly string[]; signal: AbortSignal }) {
    this.#sides = of.sides;
    this.#migration = of.migration;
    this.#tenants = of.tenants;
    this.#signal = of.signal;
  }

  async ask(criterion: SoakCriterion, soaking: Soaking, was: Kept | undefined): Promise<Answer> {
    switch (criterion.kind) {
      case "query":
        return { finding: await askQuery(this.#sides[criterion.on], criterion.sql, at(criterion.on, soaking)), failures: 0 };
      case "http": {
        const wrong = await this.#request(criterion.url, soaking.tenant);
        const failures = wrong === undefined ? 0 : (was?.failures ?? 0) + 1;
        const value = wrong === undefined ? "answers" : `${wrong}, ${failures === 1 ? "once" : `${failures} times in a row`}`;
        return { finding: { kind: "asked", holds: failures >= criterion.fails, value }, failures };
      }
      default: {
        this.#feed ??= this.#readFeed();
        const facts = await this.#feed;
        return { finding: "kind" in facts ? facts : judgeFeed(criterion, facts, soaking.tenant), failures: 0 };
      }
    }
  }

  /** The source away is a problem of these criteria; the others go on. */
  async #readFeed(): Promise<FeedFacts | Finding> {
    try {
      return await readFeed(this.#sides.source, this.#migration, this.#tenants);
    } catch (error) {
      return { kind: "problem", problem: redact(error instanceof Error ? error.message : String(error)) };
    }
  }

  #request(url: string, tenant: string): Promise<string | undefined> {
    const whole = url.replaceAll("{tenant}", encodeURIComponent(tenant));
    const answer = this.#answers.get(whole) ?? askHttp(whole, this.#signal);
    this.#answers.set(whole, answer);
    return answer;
  }
}

/** The schema of the route is the one at the tenant's home, the target. */
function at(side: "source" | "target", { tenant, schema }: Soaking) {
  return { tenant, schema: side === "target" ? schema : undefined };
}
