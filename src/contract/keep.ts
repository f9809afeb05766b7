/** The end of a contract, as one transaction at the new home. */

import { setTimeout as delay } from "node:timers/promises";
import { text } from "../catalog/fields.ts";
import { journal } from "../control/journal.ts";
import type { SwitchDeps } from "../cutover/index.ts";
import { isHeldUp } from "../fence/index.ts";
import type { Session } from "../ports.ts";
import type { ArchivedTable } from "./archive.ts";
import { readContracts } from "./begun.ts";
import { dropOldColumns, tablesToDropFrom } from "./old-columns.ts";
import { makeReceipt, type Receipt, storeReceipt } from "./receipt.ts";
import type { RemovedTable } from "./remove.ts";

type Kept = {
  readonly tenant: string;
  readonly removed: RemovedTable[];
  readonly archived: readonly ArchivedTable[];
  readonly by: string;
  readonly version: string;
};

/** How long the application may wait at one attempt to drop its columns, which no transaction in flight may be at. */
const LOCK_TIMEOUT_MS = 200;
const ATTEMPTS = 100;
const PAUSE_MS = 500;

/** Writes the receipt down; with the last tenant the old columns of tables in place go in the same transaction. */
export async function keep(deps: SwitchDeps, of: Kept, signal: AbortSignal): Promise<Receipt> {
  for (let left = ATTEMPTS; ; left--) {
    try {
      return await deps.systems.target.transaction((session) => tryToKeep(deps, of, session));
    } catch (error) {
      if (!isHeldUp(error) || left <= 1) throw error;
    }
    await delay(PAUSE_MS, undefined, { signal });
  }
}

async function tryToKeep({ file, systems, move }: SwitchDeps, of: Kept, session: Session): Promise<Receipt> {
  await session.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
  // One after the other, so that the last one knows that it is.
  await session.query("SELECT pg_catalog.pg_advisory_xact_lock(hashtextextended('rehouse.contract ' || $1, 0))", [file.name]);
  const tables = (await areOthersDone(session, file.name, of.tenant)) ? tablesToDropFrom(file, move.mapping) : [];
  const dropped = await dropOldColumns(session, file.name, tables);
  const places = { from: systems.source.place, to: systems.target.place };
  const receipt = await makeReceipt(session, { ...of, ...places, archived: [...of.archived], dropped, migration: file.name });
  await storeReceipt(session, receipt);
  await journal(session, file.name, "contract-ended", { by: of.by }, of.tenant);
  return receipt;
}

/** Whether the contract of every other tenant of the migration has ended. */
export async function areOthersDone(on: Pick<Session, "query">, migration: string, tenant: string): Promise<boolean> {
  const contracts = await readContracts(on, migration);
  const others = await on.query("SELECT tenant FROM rehouse.tenant WHERE migration = $1 AND kind <> 'shared' AND tenant <> $2", [
    migration,
    tenant,
  ]);
  return others.every((row) => contracts.get(text(row, "tenant"))?.isDone === true);
}
