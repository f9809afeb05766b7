import { Pool } from "pg";
import type { ClientPool } from "../../src/systems.ts";
import type { DatabaseAddress } from "./database.ts";
import { connectionTo } from "./url.ts";

/** Connections as an application has them, with its settings and not with ours. */
export function createClientPool({ url, tls, applicationName }: DatabaseAddress, connections: number): ClientPool {
  const pool = new Pool({
    ...connectionTo(url, tls),
    ...(applicationName === undefined ? {} : { application_name: applicationName }),
    max: connections,
  });
  // A connection that breaks while nobody uses it is replaced; unheard, it would end the process.
  pool.on("error", () => undefined);
  return { connect: () => pool.connect(), close: () => pool.end() };
}
