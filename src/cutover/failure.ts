import { RehouseError } from "../errors.ts";
import { ConnectionLost, ServerError } from "../ports.ts";

/** One tenant's failure, so that the others go on; undefined for what is a mistake of ours. */
export function failureOf(error: unknown): RehouseError | undefined {
  if (error instanceof RehouseError) return error;
  if (error instanceof ConnectionLost)
    return new RehouseError("REHOUSE_UNREACHABLE", {
      what: `the connection was lost: ${error.message}`,
      fix: "ask again when the server is back; what was begun is undone or finished then",
      cause: error,
    });
  if (error instanceof ServerError)
    return new RehouseError("REHOUSE_SERVER", {
      what: `Postgres answered with ${error.sqlstate}: ${error.message}`,
      cause: error,
    });
  return undefined;
}
