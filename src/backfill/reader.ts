import type { Sessions } from "../compare/index.ts";
import type { Mapping } from "../model/mapping.ts";
import { literal, qualified } from "../model/sql.ts";
import { type Database, ServerError, type Session } from "../ports.ts";
import { leavesOf, type Relation } from "./relations.ts";
import { lockTables } from "./snapshot.ts";

/** A worker's session on the source, in a transaction that reads under an epoch's snapshot. */
export type EpochReader = {
  readonly epoch: string;
  readonly wave: number;
  readonly session: Session;
  /** By name. The locks that the transaction holds keep their filenodes as they are. */
  readonly leaves: ReadonlyMap<string, Relation>;
  /** Tables that are roots of partitions: FROM ONLY would find nothing in them. */
  readonly roots: ReadonlySet<string>;
};

/** invalid_parameter_value, object_not_in_prerequisite_state, undefined_object: nobody holds the snapshot any more. */
const SNAPSHOT_GONE = new Set(["22023", "55000", "42704"]);

/** Undefined when the epoch's holder is gone, so that another epoch has to be opened. */
export async function openReader(
  sessions: Sessions,
  source: Database,
  mapping: Mapping,
  epoch: { readonly epoch: string; readonly wave: number; readonly exported: string },
): Promise<EpochReader | undefined> {
  const session = await sessions.open(source, "rehouse backfill read");
  await session.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  try {
    await session.query(`SET TRANSACTION SNAPSHOT ${literal(epoch.exported)}`);
  } catch (error) {
    await sessions.close(session);
    if (error instanceof ServerError && SNAPSHOT_GONE.has(error.sqlstate)) return undefined;
    throw error;
  }
  await lockTables(session, mapping);
  const leaves = new Map<string, Relation>();
  for (const table of mapping.tables) {
    for (const leaf of await leavesOf(session, table)) leaves.set(leaf.name, leaf);
  }
  const roots = await session.query(
    "SELECT n.nspname, c.relname FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind = 'p'",
  );
  return {
    epoch: epoch.epoch,
    wave: epoch.wave,
    session,
    leaves,
    roots: new Set(roots.map((row) => qualified({ schema: row["nspname"] ?? "", table: row["relname"] ?? "" }))),
  };
}
