/** A criterion that is a SQL query: asked read only, for a bounded time, in a session that sees the tenant's schema first. */

import { identList } from "../model/sql.ts";
import { ConnectionLost, type Database, ServerError } from "../ports.ts";
import { redact } from "../redact.ts";
import type { Finding } from "./criterion.ts";

const LONGEST = "10s";

export type TenantAt = { readonly tenant: string; readonly schema: string | undefined };

/** A server that is away is a problem of the criterion's, not of this function's caller: the others go on. */
export async function askQuery(database: Database, sql: string, { tenant, schema }: TenantAt): Promise<Finding> {
  try {
    return await database.transaction(async (session) => {
      await session.query(`SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = '${LONGEST}'`);
      const path = identList([...(schema === undefined ? [] : [schema]), "public"]);
      await session.query("SELECT set_config('search_path', $1, true)", [path]);
      const [row] = await session.query(sql, /\$1\b/.test(sql) ? [tenant] : []);
      const value = row === undefined ? "no row" : Object.values(row)[0];
      return {
        kind: "asked",
        holds: value === "t",
        value: value === "t" ? "true" : value === "f" ? "false" : String(value ?? "NULL"),
      };
    });
  } catch (error) {
    if (error instanceof ServerError || error instanceof ConnectionLost || isUnreachable(error))
      return { kind: "problem", problem: redact(error instanceof Error ? error.message : String(error)) };
    throw error;
  }
}

function isUnreachable(error: unknown): boolean {
  return error instanceof Error && Reflect.get(error, "code") === "REHOUSE_UNREACHABLE";
}
