/** Begins an operation for a request, once it is clear that it is meant. */

import type { Around } from "./around.ts";
import type { Caller } from "./caller.ts";
import { type Operation, operation } from "./operation-schema.ts";
import type { Plan } from "./operations.ts";
import { RefusedRequest } from "./problem.ts";
import type { Answer } from "./route.ts";

/** What routes that begin one have in common. */
export const OPERATION = { method: "POST", tokenless: "never", status: 202, gives: operation } as const;

/** Answers when it has begun. */
export async function begin({ operations }: Around, caller: Caller, plan: Plan): Promise<Answer<Operation>> {
  const begun = await operations.start(plan, caller);
  return { body: { ...begun.operation }, location: `/api/v1/operations/${begun.operation.id}` };
}

/** Answers when it has ended, for what takes a moment. */
export async function perform({ operations }: Around, caller: Caller, plan: Plan): Promise<void> {
  const begun = await operations.start(plan, caller);
  await begun.ended;
  const { state, error } = begun.operation;
  if (state === "done") return;
  if (error === null) throw new RefusedRequest("REHOUSE_TOO_MANY", { what: "it was cancelled, since the server stops" });
  const { code, what, where, fix, status } = error;
  throw new RefusedRequest(code, { what, ...(where === null ? {} : { where }), ...(fix === null ? {} : { fix }) }, { status });
}

/** What is switched, removed or ended is named a second time, as a person at a terminal types it. */
export function requireConfirmed(names: readonly string[], confirm: readonly string[]): void {
  const repeated = new Set(confirm);
  if (repeated.size === names.length && names.every((name) => repeated.has(name))) return;
  throw new RefusedRequest("REHOUSE_NOT_CONFIRMED", {
    what: `\`confirm\` does not repeat what this is about: ${names.slice(0, 10).join(", ")}${names.length > 10 ? ", ..." : ""}`,
    fix: `send "confirm": ${JSON.stringify(names.slice(0, 10))}${names.length > 10 ? " and the others" : ""}`,
  });
}

export function requireOneOf({ tenants, all }: { readonly tenants: unknown; readonly all: true | undefined }): void {
  if ((tenants === undefined) === (all === true)) return;
  throw new RefusedRequest("REHOUSE_USAGE", {
    what: all === undefined ? "which tenants are meant is not said" : "`tenants` and `all` exclude one another",
    fix: 'send "tenants": ["42"], or "all": true',
  });
}
