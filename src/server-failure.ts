/** What a server answered, or that it no longer does, as the error that a person gets to see. */

import { RehouseError } from "./errors.ts";
import { ConnectionLost, ServerError } from "./ports.ts";
import { redact } from "./redact.ts";

export type FailurePlace = {
  /** The server, or both of them. */
  readonly where?: string;
  /** What becomes of the work when a broken connection is there again. */
  readonly whenBack?: string;
};

const WHEN_BACK = "what was begun goes on, or is undone, when it is asked for again";

/** Undefined for what is no server's doing. A broken connection and a deadlock heal; an unexpected answer does not. */
export function serverFailure(error: unknown, { where, whenBack = WHEN_BACK }: FailurePlace = {}): RehouseError | undefined {
  if (error instanceof RehouseError) return error;
  if (error instanceof ConnectionLost)
    return new RehouseError("REHOUSE_UNREACHABLE", {
      what: `a connection to Postgres broke: ${error.message}`,
      ...(where === undefined ? {} : { where }),
      fix: `check that the server runs; ${whenBack}`,
      cause: error,
    });
  if (error instanceof ServerError) {
    return new RehouseError(error.isPassing ? "REHOUSE_UNREACHABLE" : "REHOUSE_SERVER", {
      what: `Postgres answered ${error.sqlstate}: ${error.message}${error.detail === undefined ? "" : `; ${error.detail}`}`,
      ...(error.table === undefined && where === undefined ? {} : { where: error.table ?? where }),
      fix: error.hint ?? "docs/errors.md, REHOUSE_SERVER",
      cause: error,
    });
  }
  return undefined;
}

/** Anything that was thrown, as the error that a person gets to see. What is no server's doing, and Rehouse does not know of, is its own fault. */
export function asRehouseError(error: unknown): RehouseError {
  return (
    serverFailure(error) ??
    new RehouseError("REHOUSE_INTERNAL", {
      what: redact(error instanceof Error ? error.message || error.name : String(error)),
      fix: "run it again with REHOUSE_DEBUG=1 and report what it prints",
      cause: error,
    })
  );
}
