/** Slots, publications and topics of a feed that lives. */

import { isPublished, type SlotState, slotName } from "../capture/index.ts";
import { placeOf, type Side, type Traces } from "../orphans/index.ts";
import { bytes, type DoctorFinding, duration, error, warning } from "./finding.ts";

/** Between two runs of capture a slot is free for a moment. */
const INACTIVE_MS = 10_000;
/** Of a slot without a limit. */
const MUCH_WAL = 10 * 1024 ** 3;

const RESYNC = "rehouse resync, then rehouse run";

/** `home`: where the feed's state is, which may not answer. `isOver`: every tenant has left its old home for good. */
export async function streamFindings(
  side: Side,
  traces: Traces,
  home: { readonly side: Side; readonly traces: Traces | undefined },
  isOver: boolean,
): Promise<DoctorFinding[]> {
  const name = slotName(side.feed);
  const { slot } = traces;
  if (home.traces === undefined) return slot === undefined ? [] : slotFindings(placeOf(side), name, slot, isOver);
  const { state } = home.traces;
  if (state?.hasSlot !== true || state.state === "cancelling") return [];
  const isWhole = traces.hasPublication && (await isPublished(side.database, home.side.database, side.feed));
  return [...slotFindings(placeOf(side), name, slot, isOver), ...(isWhole ? [] : [unpublished(placeOf(side), name)])];
}

function unpublished(place: string, name: string): DoctorFinding {
  const what = `the publication ${name} is gone, or no longer publishes everything that moves: changes since then are missing from the stream`;
  return error("publication-lost", place, what, RESYNC);
}

function slotFindings(place: string, name: string, slot: SlotState | undefined, isOver: boolean): DoctorFinding[] {
  if (slot === undefined) return [error("slot-lost", place, `the replication slot ${name} is gone`, RESYNC)];
  if (slot.isLost)
    return [
      error(
        "slot-lost",
        place,
        `the replication slot ${name} no longer has the WAL that it needs`,
        `raise max_slot_wal_keep_size; ${RESYNC}`,
      ),
    ];
  return [...inactive(place, name, slot, isOver), ...danger(place, name, slot)];
}

function inactive(
  place: string,
  name: string,
  { activePid, inactiveForMs, retainedBytes = 0 }: SlotState,
  isOver: boolean,
): DoctorFinding[] {
  if (activePid !== undefined || (inactiveForMs !== undefined && inactiveForMs < INACTIVE_MS)) return [];
  const since = inactiveForMs === undefined ? "" : ` for ${duration(inactiveForMs)}`;
  const what = `nobody reads the replication slot ${name}${since}, and it holds ${bytes(retainedBytes)} of WAL`;
  return [
    warning("slot-inactive", place, what, isOver ? "every tenant has moved: rehouse cancel ends the migration" : "rehouse run"),
  ];
}

function danger(place: string, name: string, { walStatus, retainedBytes = 0, safeBytes }: SlotState): DoctorFinding[] {
  if (walStatus === "unreserved")
    return [
      error(
        "slot-in-danger",
        place,
        `the replication slot ${name} is lost with the next checkpoint: it holds more WAL than max_slot_wal_keep_size allows`,
        "raise max_slot_wal_keep_size now (ALTER SYSTEM, SELECT pg_reload_conf();), and see that capture runs: rehouse run",
      ),
    ];
  if (safeBytes !== undefined && retainedBytes > safeBytes)
    return [
      warning(
        "slot-in-danger",
        place,
        `the replication slot ${name} holds ${bytes(retainedBytes)} of WAL, and is lost after ${bytes(safeBytes)} more`,
        "raise max_slot_wal_keep_size, and see in rehouse status what capture waits for",
      ),
    ];
  if (safeBytes === undefined && retainedBytes > MUCH_WAL)
    return [
      warning(
        "slot-in-danger",
        place,
        `the replication slot ${name} holds ${bytes(retainedBytes)} of WAL, and nothing keeps it from filling the disk`,
        "see in rehouse status what capture waits for; max_slot_wal_keep_size would sacrifice the slot before the disk",
      ),
    ];
  return [];
}

/** Tenants at the target whose writes nobody carries home. `under`: those that are being switched. */
export function mirrorFindings(side: Side, source: Traces, target: Traces, under: ReadonlySet<string>): DoctorFinding[] {
  const soaking = [...(target.state?.tenants ?? [])].filter(([tenant, phase]) => phase === "soaking" && !under.has(tenant));
  return soaking
    .filter(([tenant]) => source.state?.tenants.has(tenant) !== true)
    .map(([tenant]) => {
      const why = source.state === undefined ? "is gone" : "does not know it";
      const what = `it lives at the target, and the feed home (${side.stateOf}) ${why}: its writes are not carried back`;
      return error(
        "mirror-missing",
        `tenant ${tenant}`,
        what,
        `there is no way back without loss; where it is to stay: rehouse contract --tenant ${tenant}`,
      );
    });
}
