/** What a server answered, or that it no longer does, as the error that a person gets to see. */

import { RehouseError } from "./errors.ts";
import { ConnectionLost, ServerError } from "./ports.ts";

/** Undefined for what is no server's doing. A broken connection and a deadlock heal; an unexpected answer does not. */
export function serverFailure(error: unknown): RehouseError | undefined {
  if (error instanceof RehouseError) return error;
  if (error instanceof ConnectionLost)
    return new RehouseError("REHOUSE_UNREACHABLE", {
      what: `a connection to Postgres broke: ${error.message}`,
      fix: "check that the server runs; what was begun goes on, or is undone, when it is asked for again",
      cause: error,
    });
  if (error instanceof ServerError) {
    return new RehouseError(error.isPassing ? "REHOUSE_UNREACHABLE" : "REHOUSE_SERVER", {
      what: `Postgres answered ${error.sqlstate}: ${error.message}${error.detail === undefined ? "" : `; ${error.detail}`}`,
      ...(error.table === undefined ? {} : { where: error.table }),
      fix: error.hint ?? "docs/errors.md, REHOUSE_SERVER",
      cause: error,
    });
  }
  return undefined;
}
