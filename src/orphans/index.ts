/** What carries a migration's name and belongs to none. See README.md beside this file. */

export { findOrphans, groupName, type Orphan, type OrphanKind, type Places, placeOf, type Seen } from "./find.ts";
export { endIdleLocks, type HeldLock, idleLocks, LONG_IDLE_MS } from "./sessions.ts";
export {
  type KafkaTraces,
  readKafkaTraces,
  readSubjects,
  readTraces,
  type Side,
  type StateTraces,
  sidesOf,
  type Traces,
} from "./traces.ts";
