import { DatabaseError } from "pg";
import { RehouseError } from "../../src/errors.ts";
import { ConnectionLost, ServerError } from "../../src/ports.ts";
import { untrusted } from "../../src/untrusted.ts";

/** SQLSTATE classes that mean "this server cannot serve anybody now": connection exceptions, shutdown, starting up, too many clients. */
const UNAVAILABLE = /^(08|57P0[123]|53300)/;

/** What pg threw, as one of the two errors of the port. `statement` says which of a pipeline failed. */
export function failure(error: unknown, statement?: number): ServerError | ConnectionLost {
  if (error instanceof ServerError || error instanceof ConnectionLost) return error;
  if (error instanceof DatabaseError && error.code !== undefined) {
    if (UNAVAILABLE.test(error.code)) return new ConnectionLost(error.message, { cause: error });
    return new ServerError(error.message, {
      sqlstate: error.code,
      detail: error.detail,
      hint: error.hint,
      table: error.table === undefined ? undefined : `${error.schema ?? ""}.${error.table}`,
      constraint: error.constraint,
      statement,
      cause: error,
    });
  }
  return new ConnectionLost(error instanceof Error ? error.message : String(error), { cause: error });
}

/** Why a connection could not be opened. The password is never part of pg's messages, nor of `place`. */
export function connectFailure(error: unknown, place: string): RehouseError {
  const distrust = untrusted(error, { server: "Postgres", where: place, section: "the server's tls" });
  if (distrust !== undefined) return distrust;
  const refused = error instanceof DatabaseError && error.code !== undefined && !UNAVAILABLE.test(error.code);
  const reason = reasonOf(error);
  return refused
    ? new RehouseError("REHOUSE_SERVER", {
        what: `Postgres refuses the connection: ${reason}`,
        where: place,
        fix: "check the user, password and database in the URL, and pg_hba.conf",
        cause: error,
      })
    : new RehouseError("REHOUSE_UNREACHABLE", {
        what: `Postgres cannot be reached: ${reason}`,
        where: place,
        fix: "check that the server runs and that the host and port in the URL are right",
        cause: error,
      });
}

/** Node joins the failures of several addresses in an AggregateError whose own message is empty. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join("; ");
  return error instanceof Error ? error.message : String(error);
}
