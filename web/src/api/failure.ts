/** What went wrong between this page and the server, as the API words it: code, what, fix. */

import type { Problem } from "./types.ts";

/** `code`: one of Rehouse's, or this page's word for what never came from Rehouse. `status` null: no answer came. */
export type Trouble = {
  readonly status: number | null;
  readonly code: string;
  readonly what: string;
  readonly fix: string | null;
};

export class ApiFailure extends Error {
  readonly trouble: Trouble;

  constructor(trouble: Trouble) {
    super(trouble.what);
    this.trouble = trouble;
  }
}

export const UNREACHABLE: Trouble = {
  status: null,
  code: "UNREACHABLE",
  what: "the server does not answer",
  fix: "see that `rehouse serve`, or `rehouse run --serve`, works and can be reached from here; this page tries again by itself",
};

/** What answers may be something in between, which knows nothing of Rehouse. */
export async function troubleOf(response: Response): Promise<Trouble> {
  const { status } = response;
  const body: unknown = await response.json().catch(() => undefined);
  if (isProblem(body)) return { status, code: body.code, what: body.what, fix: body.fix };
  return {
    status,
    code: `HTTP ${status}`,
    what: "the answer is not one of Rehouse",
    fix: "see what stands between this browser and the server: a proxy, another program on this port",
  };
}

export function asTrouble(error: unknown): Trouble {
  if (error instanceof ApiFailure) return error.trouble;
  // fetch says no more than that it failed.
  if (error instanceof TypeError) return UNREACHABLE;
  return {
    status: null,
    code: "DASHBOARD",
    what: error instanceof Error ? error.message : String(error),
    fix: "load the page anew; if it comes back, it is a defect of the dashboard",
  };
}

function isProblem(body: unknown): body is Problem {
  return typeof body === "object" && body !== null && "code" in body && "what" in body && "fix" in body;
}
