import type { Session } from "../ports.ts";
import { CHANNELS, type Home } from "./route.ts";

export type Switched = {
  readonly migration: string;
  readonly tenant: string;
  readonly home: Home;
  /** The tenant's own schema at its new home; undefined where it shares one. */
  readonly schema: string | undefined;
};

/**
 * Says in the caller's transaction where the tenant lives from its commit on: the row that applications read, what they are notified with, and
 * what is to be told to the topic and the webhook. Resolves to the generation.
 */
export async function recordRoute(session: Pick<Session, "query">, to: Switched): Promise<number> {
  const [row] = await session.query(
    `WITH route AS (
       INSERT INTO rehouse.route AS was (migration, tenant, home, schema, generation) VALUES ($1, $2, $3, $4, 1)
       ON CONFLICT (migration, tenant) DO UPDATE
         SET home = excluded.home, schema = excluded.schema, generation = was.generation + 1, since = clock_timestamp()
       RETURNING migration, tenant, home, schema, generation, since
     ), to_be_told AS (
       INSERT INTO rehouse.route_delivery (migration, tenant, home, schema, generation, since, channel)
       SELECT migration, tenant, home, schema, generation, since, unnest($5::text[]) FROM route
     )
     SELECT generation, pg_notify('rehouse_route', json_build_object(
              'migration', migration, 'tenant', tenant, 'home', home, 'schema', schema, 'generation', generation)::text)
       FROM route`,
    [to.migration, to.tenant, to.home, to.schema ?? null, `{${CHANNELS.join(",")}}`],
  );
  return Number(row?.["generation"]);
}
