/** The switch transaction: the point of no return, in the migration's own state. */

import type { Generation } from "../fence/index.ts";
import { enterFeed, leaveFeed } from "../mirror/index.ts";
import type { Lsn } from "../model/position.ts";
import { recordRoute } from "../route/index.ts";
import { type Journey, step } from "./journey.ts";
import { type Leg, schemaAtHome } from "./leg.ts";

export type Committed = {
  readonly marker: Lsn;
  readonly entry: { readonly snapshot: string; readonly lsn: Lsn };
  readonly generation: Generation;
  readonly measured: { readonly waitedForWritersMs: number; readonly drainMs: number; readonly verifyMs: number };
};

/**
 * Whatever of the switch is in the migration's own state is in this transaction; what is in the mirror's follows it (finish.ts), and may be done twice.
 */
export async function commitSwitch(
  leg: Leg,
  journey: Journey,
  { marker, entry, generation, measured }: Committed,
): Promise<void> {
  const { tenant } = journey;
  await leg.state.transaction(async (session) => {
    await step(session, journey, ["fencing", "switched"], {
      generation: String(generation),
      waited_ms: milliseconds(measured.waitedForWritersMs),
      drain_ms: milliseconds(measured.drainMs),
      verify_ms: milliseconds(measured.verifyMs),
    });
    if (leg.direction === "to-target") await leaveFeed(session, leg.feed.migration, tenant, marker);
    else await enterFeed(session, leg.back.migration, tenant, entry);
    await recordRoute(session, { migration: leg.migration, tenant, home: leg.home, schema: schemaAtHome(leg, tenant) });
  });
}

function milliseconds(value: number): string {
  return String(Math.round(value));
}
