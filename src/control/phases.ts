/** Phases in the state tables: how they are read, and the one way in which they are changed. */

import { RehouseError } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import { type TenantEvent, type TenantState, transition } from "../model/phase.ts";
import { parseLsn } from "../model/position.ts";
import { arrayText } from "../model/sql.ts";
import type { Row, Session } from "../ports.ts";
import { journalEach } from "./journal.ts";

/** Writes the new phase and the journal's line; units that are no longer in `from` are left alone. */
export async function movePhase(
  on: Pick<Session, "query">,
  migration: string,
  units: readonly string[],
  from: TenantState,
  event: TenantEvent,
): Promise<void> {
  const to = transition(from, event);
  if (to === undefined) return;
  await failpoint("phase.before");
  const moved = await on.query(
    `UPDATE rehouse.tenant SET phase = $4, phase_since = clock_timestamp()
      WHERE migration = $1 AND tenant = ANY ($2::text[]) AND phase = $3 RETURNING tenant`,
    [migration, arrayText(units), from.phase, to.phase],
  );
  if (moved.length > 0) await journalEach(on, migration, arrayText(moved.map((row) => row["tenant"] ?? "")), to.phase);
  await failpoint("phase.after");
}

/** Locks the tenant's row in the session's transaction. */
export async function lockState(session: Session, migration: string, tenant: string): Promise<TenantState> {
  const [row] = await session.query(
    "SELECT phase, wave, settle_lsn FROM rehouse.tenant WHERE migration = $1 AND tenant = $2 FOR UPDATE",
    [migration, tenant],
  );
  const state = row === undefined ? undefined : stateOf(row);
  if (state !== undefined) return state;
  throw new RehouseError("REHOUSE_INTERNAL", {
    what: row === undefined ? `${migration} knows no tenant ${tenant}` : `${tenant} is in an unknown phase ${row["phase"]}`,
    where: "rehouse.tenant",
  });
}

function stateOf({ phase, wave, settle_lsn: settleLsn }: Row): TenantState | undefined {
  switch (phase) {
    case "backfilling":
      return { phase, wave: Number(wave) };
    case "catching-up":
      return { phase, settleLsn: parseLsn(settleLsn ?? "") };
    case "planned":
    case "expanding":
    case "in-sync":
    case "cutting-over":
    case "soaking":
    case "contracted":
    case "idle":
      return { phase };
    default:
      return undefined;
  }
}
