/**
 * Every event that the log can hold: the closed list. A log call names one of them, at the level that stands here (src/log.ts has the
 * compiler see to it), and docs/logs.md is checked against this table by a test.
 */

export const LEVELS = ["debug", "info", "warn", "error"] as const;
export type Level = (typeof LEVELS)[number];

type Meaning = { readonly level: Level; readonly meaning: string };

/** Told by the process in which they happen. */
const OWN_EVENTS = {
  "role-started": { level: "info", meaning: "A role's process works." },
  "role-waits": {
    level: "warn",
    meaning: "A role failed of what time heals; it is tried again after `waitMs`, `failures` counts how often it was.",
  },
  "role-ended": { level: "info", meaning: "A role ended: told to, or with the error in `error`." },
  "role-died": { level: "info", meaning: "A role's process ended without a word, `how` says how; it is started again." },
  "feed-home-waits": { level: "warn", meaning: "The part of a role that serves the feed home failed; it is tried again." },
  "wave-planned": { level: "info", meaning: "Chunks were planned for a wave of tenants." },
  "wave-copied": { level: "info", meaning: "Every chunk of a wave is at the target; its tenants are on a lane." },
  "epoch-opened": { level: "info", meaning: "A snapshot of the source was taken, under which chunks are read." },
  "relation-rewritten": { level: "warn", meaning: "A table was rewritten at the source; its chunks are planned anew." },
  "chunk-copied": { level: "debug", meaning: "A chunk is part of the target." },
  "chunk-brought": { level: "debug", meaning: "Rows of a table in place were brought in step." },
  "throttle-waits": { level: "warn", meaning: "The throttle's controller failed of what time heals, and begins again." },
  "triggers-fire": {
    level: "warn",
    meaning: "The target's role may not set session_replication_role: the target's triggers fire for copied rows.",
  },
  "foreign-keys-open": { level: "warn", meaning: "Foreign keys of arriving tenants are not satisfied yet." },
  "lane-joined": { level: "info", meaning: "A late lane met the main lane, which took over its tenants." },
  "lane-waits": { level: "warn", meaning: "A lane failed of what time heals, and goes on from its place." },
  "lane-restarted": { level: "warn", meaning: "A late lane ended, and is begun again from its place." },
  "notes-not-written": { level: "warn", meaning: "Capture goes on, but its notes cannot be written at the target now." },
  "range-not-compared": { level: "warn", meaning: "A range of rows could not be compared; `why` says what was in the way." },
  "resync-interrupted": { level: "warn", meaning: "The comparison of a resync broke off, and is made again." },
  "switch-left-behind": { level: "warn", meaning: "A switch whose process had died cannot be ended now; it is tried again." },
  "switch-ended": { level: "warn", meaning: "A switch whose process had died was finished or undone." },
  "fence-taken-back": { level: "warn", meaning: "A fence that belonged to no switch was taken back." },
  "route-not-told": { level: "warn", meaning: "A tenant's new home was not told to a channel; it is tried again." },
  "journal-not-read": { level: "debug", meaning: "The journal cannot be read now; what it says meanwhile is told later." },
  "status-not-read": {
    level: "info",
    meaning: "The migration's state cannot be read for its metrics; they say so (`rehouse_status_up`).",
  },
  "traces-not-sent": { level: "info", meaning: "The collector did not take spans; they were dropped." },
  request: { level: "info", meaning: "The API answered: `method`, `route`, `status`, `ms`, and the token's name in `by`." },
  "request-failed": { level: "error", meaning: "A request failed of what is no fault of who asked." },
  "denial-not-written": { level: "warn", meaning: "What the API denied could not be written into the audit." },
  "outcome-not-written": {
    level: "error",
    meaning: "The outcome of what was asked through the API could not be written into the audit.",
  },
  failpoint: { level: "warn", meaning: "A failpoint was passed that somebody has armed." },
  kafka: { level: "debug", meaning: "What the Kafka client says of itself; each failure that matters is thrown, too." },
} as const satisfies Record<string, Meaning>;

/** Lines of the journal, which the control role tells; whoever caused them. The journal has them for good, with all their details. */
const JOURNAL_EVENTS = {
  begun: { level: "info", meaning: "The migration was begun." },
  "slot-made": { level: "info", meaning: "The replication slot is there; everything committed from `lsn` on is in its stream." },
  planned: { level: "info", meaning: "Phase of a tenant: registered." },
  expanding: { level: "info", meaning: "Phase of a tenant: its tables are made at the target." },
  backfilling: { level: "info", meaning: "Phase of a tenant: its history is copied." },
  "catching-up": { level: "info", meaning: "Phase of a tenant: the changes since its copy are applied." },
  "in-sync": { level: "info", meaning: "Phase of a tenant: the target equals the source, and is kept so." },
  "cutting-over": { level: "info", meaning: "Phase of a tenant: a switch is under way." },
  soaking: { level: "info", meaning: "Phase of a tenant: it lives at the target, and is watched." },
  idle: { level: "info", meaning: "Phase of a tenant in the feed home: armed." },
  contracted: { level: "info", meaning: "Phase of a tenant: its old home has nothing of it." },
  created: { level: "info", meaning: "A schema, table, sequence, type or column was made." },
  dropped: { level: "info", meaning: "What the migration had made was dropped." },
  "keys-built": { level: "info", meaning: "Keys and indexes were built at the target." },
  "foreign-keys-added": { level: "info", meaning: "Foreign keys were added at the target." },
  "triggers-added": { level: "info", meaning: "Triggers that notice foreign writes were put on." },
  "triggers-removed": { level: "info", meaning: "These triggers were taken off." },
  stopped: { level: "error", meaning: "A tenant stands still at a change: see `code`, `what`, `position`." },
  retried: { level: "info", meaning: "Somebody had a stopped tenant go on." },
  skipped: { level: "info", meaning: "Somebody had a stopped tenant go on without a change." },
  "source-changed": { level: "warn", meaning: "The source's tables have changed." },
  "rows-without-tenant": { level: "warn", meaning: "Rows whose tenant is NULL were met, and left out." },
  "replica-identity": { level: "info", meaning: "A table's replica identity was changed for the feed home." },
  difference: { level: "warn", meaning: "A row differs between the two sides." },
  "difference-gone": { level: "info", meaning: "A row that differed is equal again, by the stream or by a repair." },
  "repair-asked": { level: "info", meaning: "Somebody asked for rows to be read again from the source." },
  repaired: { level: "info", meaning: "Rows were repaired, and are equal." },
  "repair-refused": { level: "warn", meaning: "The target does not take a row that was read again." },
  "resync-begun": { level: "info", meaning: "A tenant is brought back in step after a gap in its stream." },
  resynced: { level: "info", meaning: "The tenant is in step again." },
  "foreign-writes-decided": { level: "info", meaning: "Somebody decided on what others wrote at the target." },
  "foreign-write-overwritten": { level: "info", meaning: "A row that somebody else wrote is read again from the source." },
  armed: { level: "info", meaning: "The feed home of a tenant was set up." },
  disarmed: { level: "info", meaning: "The feed home of a tenant, or of all, was taken away." },
  "switch-begun": { level: "info", meaning: "A switch has begun, in `direction`." },
  "sequences-moving": { level: "info", meaning: "Sequences are about to be moved ahead at the new home." },
  "sequences-moved": { level: "info", meaning: "Sequences were moved ahead at the new home." },
  switched: {
    level: "info",
    meaning: "The tenant has a new home; `waitedMs`, `drainMs`, `verifyMs` say what its fence was held for.",
  },
  "switch-undone": { level: "info", meaning: "A switch was undone before its point of no return." },
  withdrawing: { level: "info", meaning: "A tenant is given up before it was switched." },
  withdrawn: { level: "info", meaning: "Nothing of the tenant is left at the target, unless its rows were kept." },
  released: { level: "info", meaning: "A tenant that was given up is moved again." },
  "soak-tripped": { level: "warn", meaning: "A criterion of the soak holds: see `criterion`, `value`." },
  "soak-recovered": { level: "info", meaning: "The criterion holds no more." },
  "soak-rollback": { level: "warn", meaning: "A tenant is led back because of a criterion." },
  "soak-rollback-failed": { level: "error", meaning: "It could not be led back; it is tried again." },
  "contract-begun": { level: "info", meaning: "A tenant's old home is about to be emptied." },
  "contract-compared": { level: "info", meaning: "What is to be removed was compared first." },
  "contract-counted": { level: "info", meaning: "What is to be removed was counted." },
  "contract-archived": { level: "info", meaning: "What is to be removed is in the archive." },
  "contract-ended": { level: "info", meaning: "The old home is empty of the tenant; the receipt is written." },
  "receipt-replaced": {
    level: "info",
    meaning: "The receipt of an earlier migration with this name, which made room for a new one.",
  },
  paused: { level: "info", meaning: "Somebody paused the migration." },
  throttled: { level: "info", meaning: "Somebody set a ceiling for the pace of `role`, or lifted it (1)." },
  resumed: { level: "info", meaning: "Somebody resumed it." },
  cancelling: { level: "info", meaning: "The migration is being cancelled." },
  cancelled: { level: "info", meaning: "The migration is cancelled." },
} as const satisfies Record<string, Meaning>;

export const LOG_EVENTS = { ...OWN_EVENTS, ...JOURNAL_EVENTS };

export type LogEvent = keyof typeof LOG_EVENTS;
export type JournalEvent = keyof typeof JOURNAL_EVENTS;
/** Those that are logged at this level. */
export type EventAt<L extends Level> = { [E in LogEvent]: (typeof LOG_EVENTS)[E]["level"] extends L ? E : never }[LogEvent];

export function isJournalEvent(event: string): event is JournalEvent {
  return Object.hasOwn(JOURNAL_EVENTS, event);
}

export function isAt<L extends Level>(event: LogEvent, level: L): event is EventAt<L> {
  return LOG_EVENTS[event].level === level;
}
