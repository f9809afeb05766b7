/** Why a unit could not be compared, as `status` shows it until a pass of it has come to its end. */

import { type ComparedUnit, OF_UNIT, type Secrets, unitParams } from "../evidence/index.ts";
import type { ServerError, Session } from "../ports.ts";

/** How long a unit rests that a server would not have compared: DDL under way, a table that is locked, a value that cannot be cast. */
export const OBSTACLE_REST_MS = 10_000;

/** A server's message may repeat a value. */
export function obstacleOf({ secrets }: { readonly secrets: Secrets }, unit: ComparedUnit, error: ServerError): string {
  return `Postgres answered ${error.sqlstate}${secrets.hasSecrets(unit.table) ? "" : `: ${error.message}`}`;
}

export async function noteObstacle(state: Session, unit: ComparedUnit, why: string, restMs: number): Promise<void> {
  await state.query(
    `UPDATE rehouse.compared_unit SET obstacle = $5, not_before = clock_timestamp() + $6::int * interval '1 ms' WHERE ${OF_UNIT}`,
    [...unitParams(unit), why, String(restMs)],
  );
}
