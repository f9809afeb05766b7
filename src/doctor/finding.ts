/** Something that is wrong right now. An **error** stops something or puts something at risk; a **warning** will, or is worth a look. */

import type { ProbeCode } from "../check/index.ts";

/** The closed list: docs/doctor.md has a row for each, and a test compares the two. */
export const DOCTOR_CODES = {
  // Servers
  unreachable: "A server does not answer.",
  "probe-failed": "A question could not be answered in time, or the server refused it.",
  // What belongs to no migration
  "slot-orphaned": "A replication slot of the migration's name holds WAL, and no migration reads it.",
  "publication-orphaned": "A publication of the migration's name is left over.",
  "fence-orphaned": "Triggers, functions or rows of a fence belong to no tenant of the migration.",
  "watch-orphaned": "A trigger that notes foreign writes is left over.",
  "mirror-orphaned": "The source has the state of a feed home whose migration is gone.",
  "topic-orphaned": "A topic of the migration's name is left over.",
  "group-orphaned": "A consumer group of the migration's name is left over.",
  "subject-orphaned": "A schema of the migration's topics is left over in the registry.",
  // What was begun and has not ended
  "cancel-unfinished": "The migration is being cancelled, or a cancel has died.",
  "switch-unfinished": "A switch was begun and not ended, and nobody is at it.",
  "contract-unfinished": "A tenant's old home is not cleared to the end, and nobody is at it.",
  "tenant-fenced": "Writers of a tenant are refused, and no switch of it is under way.",
  "fence-open": "A tenant lives at the target, and its old home would take its writes.",
  "lock-held": "A session of Rehouse holds a lock, and has stood idle for long.",
  // Streams
  "slot-lost": "A replication slot is gone, or no longer has the WAL that it needs.",
  "slot-in-danger": "A replication slot is about to be lost, or the WAL that it holds about to fill the disk.",
  "slot-inactive": "Nobody reads a replication slot, and it holds WAL.",
  "publication-lost": "A publication is gone, or no longer publishes all that moves.",
  "topic-missing": "The changes topic is gone.",
  "topic-trimmed": "Kafka no longer has the changes from which a lane or a tenant has to go on.",
  "retention-short": "Kafka will soon drop changes that a lane or a tenant still needs.",
  "lane-stalled": "A lane stands still, although changes are there and processes run.",
  "mirror-missing": "Tenants live at the target, and nothing carries their writes home.",
  // Processes
  "not-running": "No process works on the migration.",
  "role-missing": "No process of a role runs, although there is work for it.",
  "role-waiting": "A role waits for something, and tries again.",
  "role-ended": "A role has ended with an error that a person has to act on.",
  paused: "The migration is paused.",
  // Tenants
  "tenant-stopped": "A tenant stands still at a change.",
  differences: "Rows of a tenant differ between the two sides.",
  "late-writes": "Rows were written at a home that their tenant had left.",
  "foreign-writes": "Somebody else has written rows of a tenant at the target.",
  "soak-tripped": "A criterion of the file's `rollback` holds for a switched tenant.",
  "soak-unasked": "A criterion of the file's `rollback` could not be asked.",
  "not-compared": "A table of a tenant could not be compared.",
  "sequence-block-low": "A switched tenant has used up much of the numbers that are kept free for it.",
  // Transactions of others
  "transaction-old": "A transaction has been open for long: a switch and a new slot wait for it.",
  "prepared-old": "A prepared transaction is open: a switch and a new slot wait for it.",
} as const satisfies Record<ProbeCode, string> & Record<string, string>;

export type DoctorCode = keyof typeof DOCTOR_CODES;

export type DoctorFinding = {
  readonly code: DoctorCode;
  readonly severity: "error" | "warning";
  /** `source db:5432/app`, `tenant 42`, `kafka localhost:9092`, a role. */
  readonly place: string;
  readonly what: string;
  /** What to type. */
  readonly fix: string;
};

export function error(code: DoctorCode, place: string, what: string, fix: string): DoctorFinding {
  return { code, severity: "error", place, what, fix };
}

export function warning(code: DoctorCode, place: string, what: string, fix: string): DoctorFinding {
  return { code, severity: "warning", place, what, fix };
}

/** `3 s`, `5 min`, `2 h`. */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}

/** `12 MB`. */
export function bytes(count: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = count < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log(count) / Math.log(1_024)));
  return `${Math.round(count / 1_024 ** power)} ${units[power]}`;
}
