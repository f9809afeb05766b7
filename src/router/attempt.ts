/** One attempt of a transaction at one home. It ends in one of four ways, and which one is always known. */

import { ident, literal } from "../model/sql.ts";
import { type Failure, failureOf, provesNoCommit } from "./failures.ts";
import { connectWithin, type RouterClient, type RouterPool } from "./pool.ts";

export type Outcome<T> =
  | { readonly kind: "committed"; readonly value: T }
  /** Nothing of it has happened. */
  | { readonly kind: "failed"; readonly error: unknown; readonly failure: Failure }
  /** A statement had failed and the body went on all the same, so that COMMIT rolled back. */
  | { readonly kind: "undone" }
  | { readonly kind: "unknown"; readonly error: unknown };

export type Isolation = "read committed" | "repeatable read" | "serializable";

export type Attempt = {
  readonly isolation: Isolation | undefined;
  readonly readOnly: boolean;
  /** Comes first in the transaction's search path. */
  readonly schema: string | undefined;
  readonly connectWithinMs: number;
};

export async function attempt<Client extends RouterClient, T>(
  pool: RouterPool<Client>,
  how: Attempt,
  body: (client: Client) => Promise<T>,
): Promise<Outcome<T>> {
  let client: Client;
  try {
    client = await connectWithin(pool, how.connectWithinMs);
  } catch (error) {
    return { kind: "failed", error, failure: failureOf(error) };
  }
  let lost: Error | undefined;
  // A client that is lost says so by this event, and without a listener that would be the end of the process.
  const onError = (error: Error) => {
    lost = error;
  };
  client.on("error", onError);
  const finish = (usable: boolean) => {
    const isWell = usable && lost === undefined;
    client.release(!isWell);
    if (isWell) client.removeListener("error", onError);
  };

  let value: T;
  try {
    await client.query(beginning(how));
    value = await body(client);
  } catch (error) {
    const failure: Failure = lost === undefined ? failureOf(error) : { kind: "lost" };
    finish(failure.kind !== "lost" && (await rolledBack(client)));
    return { kind: "failed", error, failure };
  }

  try {
    const { command } = await client.query("COMMIT");
    finish(true);
    return command === "ROLLBACK" ? { kind: "undone" } : { kind: "committed", value };
  } catch (error) {
    const isKnown = lost === undefined && provesNoCommit(error);
    finish(isKnown);
    return isKnown ? { kind: "failed", error, failure: failureOf(error) } : { kind: "unknown", error };
  }
}

/** In one round trip. */
function beginning({ isolation, readOnly, schema }: Attempt): string {
  const level = isolation === undefined ? "" : ` ISOLATION LEVEL ${isolation.toUpperCase()}`;
  const begin = `BEGIN${level}${readOnly ? " READ ONLY" : ""}`;
  if (schema === undefined) return begin;
  const path = `concat_ws(', ', ${literal(ident(schema))}, nullif(current_setting('search_path'), ''))`;
  return `${begin}; SELECT pg_catalog.set_config('search_path', ${path}, true)`;
}

async function rolledBack(client: RouterClient): Promise<boolean> {
  try {
    await client.query("ROLLBACK");
    return true;
  } catch {
    return false;
  }
}
