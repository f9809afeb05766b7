/** An error as RFC 9457 has it ("Problem Details for HTTP APIs"), with what every error of Rehouse says: code, what, where, fix. */

import { z } from "zod";
import { ERROR_CODES, type ErrorCode, type ErrorDetail, type Policy, RehouseError } from "../errors.ts";
import { redact } from "../redact.ts";
import { asRehouseError } from "../server-failure.ts";
import { errorCode } from "./verb-schema.ts";

export const problem = z.object({
  type: z.string().describe("Names the kind of error: `urn:rehouse:error:` and the code."),
  title: z.string(),
  status: z.number(),
  detail: z.string().describe("What happened; the same as `what`."),
  code: errorCode,
  what: z.string(),
  where: z.string().nullable(),
  fix: z.string().nullable().describe("What to do next."),
  issues: z.exactOptional(z.array(z.object({ path: z.string(), what: z.string() }))).describe("All mistakes of a request."),
  operation: z.exactOptional(z.string()).describe("The id of the operation that is in the way."),
});
export type Problem = z.output<typeof problem>;

export const PROBLEM_TYPE = "application/problem+json; charset=utf-8";

/** What a request is told beside the error itself. */
type More = {
  readonly status?: number;
  readonly issues?: NonNullable<Problem["issues"]>;
  readonly operation?: string;
  readonly retryAfterS?: number;
};

/** A request that is refused. */
export class RefusedRequest extends RehouseError {
  readonly more: More;

  constructor(code: ErrorCode, detail: ErrorDetail, more: More = {}) {
    super(code, detail);
    this.more = more;
  }
}

/** What stands still until a person acts is a conflict with the state of the migration; what heals by itself may be asked again. */
const BY_POLICY: Readonly<Record<Policy, number>> = { usage: 409, "stop-tenant": 409, "stop-role": 409, retry: 503 };

const BY_CODE: Readonly<Partial<Record<ErrorCode, number>>> = {
  REHOUSE_USAGE: 400,
  REHOUSE_UNAUTHENTICATED: 401,
  REHOUSE_FORBIDDEN: 403,
  REHOUSE_NOT_FOUND: 404,
  REHOUSE_NO_MIGRATION: 404,
  REHOUSE_NOT_CONFIRMED: 422,
  REHOUSE_TOO_MANY: 429,
  REHOUSE_SERVER: 502,
  REHOUSE_INTERNAL: 500,
};

const RETRY_AFTER_S = 5;

export function problemOf(thrown: unknown): { readonly problem: Problem; readonly retryAfterS: number | undefined } {
  const error = asRehouseError(thrown);
  const { code, message, where, fix, policy } = error;
  const more = error instanceof RefusedRequest ? error.more : {};
  const what = redact(message);
  return {
    problem: {
      type: `urn:rehouse:error:${code}`,
      title: ERROR_CODES[code].meaning,
      status: more.status ?? BY_CODE[code] ?? BY_POLICY[policy],
      detail: what,
      code,
      what,
      where: where === undefined ? null : redact(where),
      fix: fix === undefined ? null : redact(fix),
      ...(more.issues === undefined ? {} : { issues: more.issues }),
      ...(more.operation === undefined ? {} : { operation: more.operation }),
    },
    retryAfterS: policy === "retry" ? (more.retryAfterS ?? RETRY_AFTER_S) : undefined,
  };
}
