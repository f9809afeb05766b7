/**
 * The row of rehouse.switch that belongs to one attempt to switch one tenant. Each step is written down before it is done, and only by whoever
 * still has the row: an attempt that was taken for dead and undone finds that out here, and ends.
 */

import { journal } from "../control/journal.ts";
import { RehouseError } from "../errors.ts";
import { formatLsn, type Lsn, parseLsn } from "../model/position.ts";
import type { Database, Row, Session } from "../ports.ts";
import type { Direction } from "./leg.ts";

export type Step = "preparing" | "locking" | "draining" | "fencing" | "switched" | "undoing";

export type Journey = {
  readonly migration: string;
  readonly tenant: string;
  readonly direction: Direction;
  readonly step: Step;
  readonly attempt: string;
  readonly marker: Lsn | undefined;
  readonly entry: { readonly snapshot: string; readonly lsn: Lsn } | undefined;
};

const COLUMNS = "migration, tenant, direction, step, attempt, marker, snapshot, snapshot_lsn";

export async function begin(
  state: Database,
  of: { readonly migration: string; readonly tenant: string; readonly direction: Direction; readonly by: string },
): Promise<Journey> {
  return state.transaction(async (session) => {
    const [row] = await session.query(
      `INSERT INTO rehouse.switch (migration, tenant, direction, started_by) VALUES ($1, $2, $3, $4)
       ON CONFLICT DO NOTHING RETURNING ${COLUMNS}`,
      [of.migration, of.tenant, of.direction, of.by],
    );
    if (row === undefined) throw underWay(of.tenant);
    await journal(session, of.migration, "switch-begun", { direction: of.direction, by: of.by }, of.tenant);
    return read(row);
  });
}

export async function load(on: Pick<Session, "query">, migration: string, tenant: string): Promise<Journey | undefined> {
  const [row] = await on.query(`SELECT ${COLUMNS} FROM rehouse.switch WHERE migration = $1 AND tenant = $2`, [migration, tenant]);
  return row === undefined ? undefined : read(row);
}

export async function loadAll(on: Pick<Session, "query">, migration: string): Promise<Journey[]> {
  return (await on.query(`SELECT ${COLUMNS} FROM rehouse.switch WHERE migration = $1 ORDER BY began_at`, [migration])).map(read);
}

/** Numbers and places that are known by now, by the columns' names. */
type Known = Readonly<
  Partial<
    Record<"marker" | "snapshot" | "snapshot_lsn" | "generation" | "waited_ms" | "drain_ms" | "verify_ms" | "attempts", string>
  >
>;

/** `from` → `to`, for this attempt only. */
export async function step(
  on: Pick<Session, "query">,
  { migration, tenant, attempt }: Journey,
  [from, to]: readonly [Step, Step],
  known: Known = {},
): Promise<void> {
  const columns = Object.entries(known);
  const more = columns.map(([name], index) => `, ${name} = $${index + 6}`).join("");
  const rows = await on.query(
    `UPDATE rehouse.switch SET step = $5${to === "switched" ? ", switched_at = clock_timestamp()" : ""}${more}
      WHERE migration = $1 AND tenant = $2 AND attempt = $3 AND step = $4 RETURNING step`,
    [migration, tenant, attempt, from, to, ...columns.map(([, value]) => value)],
  );
  if (rows.length === 0) throw takenOver(tenant);
}

/**
 * `undoing`: the row is the caller's now, who has to take back what the attempt has done; the attempt itself cannot go on. The others say what has
 * become of it before.
 */
export type Claim = "undoing" | "undone" | "switched" | "finished";

/** Keeps the attempt from its point of no return, if it has not passed it. */
export async function claim(on: Pick<Session, "query">, { migration, tenant, attempt }: Journey): Promise<Claim> {
  const taken = await on.query(
    `UPDATE rehouse.switch SET step = 'undoing' WHERE migration = $1 AND tenant = $2 AND attempt = $3 AND step <> 'switched' RETURNING step`,
    [migration, tenant, attempt],
  );
  if (taken.length > 0) return "undoing";
  const [row] = await on.query(
    `SELECT EXISTS (SELECT FROM rehouse.switch WHERE migration = $1 AND tenant = $2 AND attempt = $3::uuid) AS there,
            EXISTS (SELECT FROM rehouse.journal WHERE migration = $1 AND tenant = $2 AND event = 'switched' AND detail ->> 'attempt' = $3) AS finished`,
    [migration, tenant, attempt],
  );
  if (row?.["there"] === "t") return "switched";
  return row?.["finished"] === "t" ? "finished" : "undone";
}

/** The switch is over: its row goes, the journal keeps `detail`. */
export async function end(
  on: Pick<Session, "query">,
  { migration, tenant, attempt, direction }: Journey,
  event: "switched" | "switch-undone",
  detail: Readonly<Record<string, unknown>>,
): Promise<void> {
  const rows = await on.query(
    `DELETE FROM rehouse.switch WHERE migration = $1 AND tenant = $2 AND attempt = $3
     RETURNING jsonb_build_object('attempt', attempt, 'waitedMs', waited_ms, 'drainMs', drain_ms, 'verifyMs', verify_ms, 'marker', marker, 'snapshot', snapshot,
       'generation', generation, 'attempts', attempts, 'by', started_by, 'beganAt', began_at, 'switchedAt', switched_at)::text AS known`,
    [migration, tenant, attempt],
  );
  const known = rows[0]?.["known"];
  if (known === undefined || known === null) return;
  await journal(on, migration, event, { direction, ...JSON.parse(known), ...detail }, tenant);
}

function read(row: Row): Journey {
  const lsn = (name: string) => (row[name] == null ? undefined : parseLsn(row[name]));
  const [snapshot, snapshotLsn] = [row["snapshot"], lsn("snapshot_lsn")];
  return {
    migration: row["migration"] ?? "",
    tenant: row["tenant"] ?? "",
    direction: row["direction"] === "to-source" ? "to-source" : "to-target",
    step: stepOf(row["step"] ?? ""),
    attempt: row["attempt"] ?? "",
    marker: lsn("marker"),
    entry: snapshot == null || snapshotLsn === undefined ? undefined : { snapshot, lsn: snapshotLsn },
  };
}

const STEPS: readonly Step[] = ["preparing", "locking", "draining", "fencing", "switched", "undoing"];

function stepOf(text: string): Step {
  const found = STEPS.find((candidate) => candidate === text);
  if (found === undefined)
    throw new RehouseError("REHOUSE_INTERNAL", { what: `a switch is at ${text}`, where: "rehouse.switch" });
  return found;
}

export function known(fields: { readonly marker?: Lsn; readonly lsn?: Lsn; readonly snapshot?: string }): Known {
  return {
    ...(fields.marker === undefined ? {} : { marker: formatLsn(fields.marker) }),
    ...(fields.snapshot === undefined ? {} : { snapshot: fields.snapshot }),
    ...(fields.lsn === undefined ? {} : { snapshot_lsn: formatLsn(fields.lsn) }),
  };
}

function underWay(tenant: string): RehouseError {
  return new RehouseError("REHOUSE_SWITCH_UNDER_WAY", {
    what: `tenant ${tenant} is being switched already`,
    where: "rehouse.switch",
    fix: "wait for that to end; what a process left behind that has died is ended by the same verb or by the control role of `rehouse run`",
  });
}

function takenOver(tenant: string): RehouseError {
  return new RehouseError("REHOUSE_SWITCH_UNDER_WAY", {
    what: `the switch of tenant ${tenant} was undone by another process, which took this one for dead`,
    where: "rehouse.switch",
    fix: "nothing was switched; ask again",
  });
}
