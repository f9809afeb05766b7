/** Tenants that the file has go back when a criterion trips. */

import { RehouseError } from "../errors.ts";
import { redact } from "../redact.ts";
import type { Records, Soaking } from "./records.ts";

/** Switches the tenant back; rejects when it was refused or failed, and then the tenant lives where it lived. */
export type GoBack = (tenant: string, signal: AbortSignal) => Promise<void>;

/** After a failure, for as long as the criterion holds. */
const TRY_AGAIN_MS = 30_000;

export class Returns {
  readonly #records: Records;
  readonly #goBack: GoBack;
  readonly #notBefore = new Map<string, number>();

  constructor(records: Records, goBack: GoBack) {
    this.#records = records;
    this.#goBack = goBack;
  }

  /** Those of which a criterion holds now, one after the other. */
  async begin(soaking: readonly Soaking[], signal: AbortSignal): Promise<void> {
    const tripped = await this.#records.tripped();
    for (const { tenant } of soaking) {
      const because = tripped.get(tenant);
      if (because === undefined || signal.aborted || performance.now() < (this.#notBefore.get(tenant) ?? 0)) continue;
      await this.#records.journal(tenant, "soak-rollback", { because });
      try {
        await this.#goBack(tenant, signal);
        this.#notBefore.delete(tenant);
      } catch (error) {
        if (signal.aborted) return;
        this.#notBefore.set(tenant, performance.now() + TRY_AGAIN_MS);
        await this.#records.journal(tenant, "soak-rollback-failed", reasonOf(error));
      }
    }
  }
}

function reasonOf(error: unknown): { code: string; what: string } {
  const what = redact(error instanceof Error ? error.message : String(error));
  return { code: error instanceof RehouseError ? error.code : "REHOUSE_INTERNAL", what };
}
