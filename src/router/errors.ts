import { RehouseError } from "../errors.ts";

/**
 * The answer to a COMMIT was lost: the transaction has taken effect, or it has not. It is not repeated, since it could then take effect
 * twice. The application looks for what it wrote, best by a key that it chose itself.
 */
export class CommitUnknown extends RehouseError {
  constructor(tenant: string, cause: unknown) {
    super("REHOUSE_COMMIT_UNKNOWN", {
      what: `the answer to the COMMIT of a transaction of tenant ${tenant} was lost`,
      fix: "look whether what it wrote is there, then write it again or not",
      cause,
    });
    this.name = "CommitUnknown";
  }
}

export function undone(tenant: string): RehouseError {
  return new RehouseError("REHOUSE_COMMIT_UNDONE", {
    what: `a transaction of tenant ${tenant} was rolled back by its COMMIT: a statement in it had failed, and its error was caught`,
    fix: "let the error leave the function that was given to transaction(), or undo the statement with a savepoint",
  });
}

export function deadlinePassed(tenant: string, attempts: number, deadlineMs: number, cause: unknown): RehouseError {
  return new RehouseError("REHOUSE_ROUTE_DEADLINE", {
    what: `a transaction of tenant ${tenant} did not get through within ${deadlineMs} ms, in ${attempts} attempts; nothing of it has happened`,
    fix: "`rehouse status` shows whether the tenant is being switched; the cause is what the last attempt met",
    cause,
  });
}

export function homesUnknown(cause?: unknown): RehouseError {
  return new RehouseError("REHOUSE_ROUTE_UNKNOWN", {
    what: "the database with the routes does not answer, and what is known of them is too old",
    fix: "check that it runs, and that this role may read rehouse.route; onError of the router gets the reason",
    cause,
  });
}

export function otherTenant(tenant: string, moved: string, cause: unknown): RehouseError {
  return new RehouseError("REHOUSE_USAGE", {
    what: `a transaction of tenant ${tenant} wrote a row of tenant ${moved}, who lives elsewhere`,
    fix: `write rows of tenant ${moved} in a transaction of its own`,
    cause,
  });
}
