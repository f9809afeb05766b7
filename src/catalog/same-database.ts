/** Whether two connections lead to the same place, whatever their addresses say: the servers know. */

import type { Database } from "../ports.ts";
import { text } from "./fields.ts";

type Queryable = Pick<Database, "query">;

/** A clone of a server has its system identifier, but was not started at the same microsecond. */
const PLACE = `
  SELECT system_identifier || ' ' || extract(epoch FROM pg_catalog.pg_postmaster_start_time()) AS server,
         (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) AS database
    FROM pg_catalog.pg_control_system()`;

export type Togetherness = "same database" | "same server" | "apart";

export async function togetherness(a: Queryable, b: Queryable): Promise<Togetherness> {
  const [[one = {}], [other = {}]] = await Promise.all([a.query(PLACE), b.query(PLACE)]);
  if (text(one, "server") !== text(other, "server")) return "apart";
  return text(one, "database") === text(other, "database") ? "same database" : "same server";
}
