/**
 * Every failure that a user can meet is one of these. The table is the closed list: a code has one policy and one exit code,
 * docs/errors.md is checked against it by a test.
 *
 * - `retry`: the role waits and tries again, visibly;
 * - `stop-tenant`: the tenant stops, the others go on;
 * - `stop-role`: the process ends with the error, a person has to act;
 * - `usage`: nothing was started.
 */
import { redact } from "./redact.ts";

export type Policy = "retry" | "stop-tenant" | "stop-role" | "usage";

export const ERROR_CODES = {
  REHOUSE_FILE_INVALID: { policy: "usage", exit: 2, meaning: "The migration file has mistakes." },
  REHOUSE_FILE_NOT_FOUND: { policy: "usage", exit: 2, meaning: "The migration file cannot be read." },
  REHOUSE_USAGE: {
    policy: "usage",
    exit: 2,
    meaning: "The command line, or a request to the API, is not one that Rehouse knows.",
  },
  REHOUSE_PREFLIGHT: { policy: "stop-role", exit: 1, meaning: "The preflight has findings that stand in the way." },
  REHOUSE_UNREACHABLE: { policy: "retry", exit: 3, meaning: "A server cannot be reached." },
  REHOUSE_TLS: { policy: "retry", exit: 3, meaning: "A server cannot be trusted, or does not speak TLS where it is asked for." },
  REHOUSE_SERVER: { policy: "stop-role", exit: 3, meaning: "A server answered with an error that Rehouse does not expect." },
  REHOUSE_SLOT_EXISTS: {
    policy: "stop-role",
    exit: 3,
    meaning: "A replication slot with the migration's name is there, and this migration did not make it.",
  },
  REHOUSE_SLOT_LOST: {
    policy: "stop-role",
    exit: 3,
    meaning: "The migration's replication slot is gone or no longer has the WAL it needs.",
  },
  REHOUSE_PUBLICATION_LOST: {
    policy: "stop-role",
    exit: 3,
    meaning: "The migration's publication is gone, or no longer publishes all that moves.",
  },
  REHOUSE_SOURCE_REWOUND: {
    policy: "stop-role",
    exit: 3,
    meaning: "The source lacks something of what was captured from it.",
  },
  REHOUSE_SLOT_ACTIVE: { policy: "retry", exit: 3, meaning: "Another process reads the migration's slot." },
  REHOUSE_TOPIC_MISMATCH: { policy: "stop-role", exit: 3, meaning: "The migration's topic is there with other settings." },
  REHOUSE_TOPIC_TRIMMED: {
    policy: "stop-role",
    exit: 3,
    meaning: "Kafka no longer has the changes from which a lane has to start.",
  },
  REHOUSE_TARGET_MISFIT: { policy: "stop-role", exit: 1, meaning: "A target table is there and does not fit the mapping." },
  REHOUSE_ROW_IN_THE_WAY: { policy: "stop-role", exit: 1, meaning: "A row of the target holds a key that a copied row needs." },
  REHOUSE_CHUNK_DIFFERS: { policy: "stop-role", exit: 1, meaning: "A copied chunk does not equal its source." },
  REHOUSE_CHANGE_REFUSED: { policy: "stop-tenant", exit: 1, meaning: "The target refuses a change." },
  REHOUSE_SCHEMA_CHANGED: {
    policy: "stop-tenant",
    exit: 1,
    meaning: "The source table changed in a way that the mapping cannot absorb.",
  },
  REHOUSE_TENANT_STOPPED: {
    policy: "usage",
    exit: 1,
    meaning: "The tenant stands still, and what was asked for needs its changes to be applied.",
  },
  REHOUSE_FOREIGN_WRITE: {
    policy: "stop-tenant",
    exit: 1,
    meaning: "Somebody else wrote rows of the tenant at the target, and the file says to stop at that.",
  },
  REHOUSE_ROW_OF_ANOTHER_TENANT: {
    policy: "stop-tenant",
    exit: 1,
    meaning: "A change would write over a row of another tenant, in a table that several of them share.",
  },
  REHOUSE_NOT_SKIPPABLE: {
    policy: "usage",
    exit: 1,
    meaning: "The tenant does not stand at the change that was to be skipped, or at no single change.",
  },
  REHOUSE_NO_ROW_KEY: { policy: "usage", exit: 1, meaning: "A table has no key, and what was asked for names single rows." },
  REHOUSE_NOT_RUNNING: {
    policy: "usage",
    exit: 1,
    meaning: "What was asked for is done by the running roles, and they do not run.",
  },
  REHOUSE_ROW_WITHOUT_TENANT: {
    policy: "stop-role",
    exit: 1,
    meaning: "A row was written without a tenant, and the file says to refuse that.",
  },
  REHOUSE_NOT_ARMED: {
    policy: "usage",
    exit: 1,
    meaning: "The tenant's writers cannot be held back: not every table has the triggers for it.",
  },
  REHOUSE_FENCE_BUSY: {
    policy: "usage",
    exit: 1,
    meaning: "Transactions of the application were in the way of a lock for too long.",
  },
  REHOUSE_SWITCHED: {
    policy: "usage",
    exit: 1,
    meaning: "Tenants live at the target, and what was asked for would take their way back from them.",
  },
  REHOUSE_NO_MIGRATION: { policy: "usage", exit: 2, meaning: "The target knows no migration of this name." },
  REHOUSE_MIGRATION_CHANGED: {
    policy: "stop-role",
    exit: 2,
    meaning: "The migration file no longer says what the running migration was started with.",
  },
  REHOUSE_FINISHED: {
    policy: "stop-role",
    exit: 1,
    meaning: "Every tenant is contracted, and what was asked for needs what went with the last one.",
  },
  REHOUSE_WEBHOOK: { policy: "retry", exit: 3, meaning: "The webhook that hears of routes does not answer, or not with 2xx." },
  REHOUSE_COMMIT_UNKNOWN: {
    policy: "usage",
    exit: 3,
    meaning: "The answer to a COMMIT was lost, so that nobody knows whether the transaction took effect.",
  },
  REHOUSE_COMMIT_UNDONE: {
    policy: "usage",
    exit: 1,
    meaning: "A transaction was rolled back where it should have committed, since a statement in it had failed.",
  },
  REHOUSE_ROUTE_DEADLINE: {
    policy: "usage",
    exit: 3,
    meaning: "A transaction through the router did not get through before its deadline.",
  },
  REHOUSE_ROUTE_UNKNOWN: {
    policy: "usage",
    exit: 3,
    meaning: "The router does not know where tenants live, since the database with the routes did not answer.",
  },
  REHOUSE_SWITCH_UNDER_WAY: {
    policy: "usage",
    exit: 1,
    meaning: "Another switch of the tenant is under way, or has taken this one's place.",
  },
  REHOUSE_SWITCH_UNKNOWN: {
    policy: "retry",
    exit: 3,
    meaning: "The answer to a switch's COMMIT was lost, and the target cannot be asked yet.",
  },
  REHOUSE_CONTRACT_DIFFERS: {
    policy: "usage",
    exit: 1,
    meaning: "A row at a tenant's old home is not at its new one, so it is not removed.",
  },
  REHOUSE_REHEARSAL: {
    policy: "usage",
    exit: 1,
    meaning: "A rehearsal could not be made, or the move did not get through on the copy.",
  },
  REHOUSE_NOT_DRAINED: {
    policy: "usage",
    exit: 1,
    meaning: "The tenant's changes were not all applied in the time that its writers may be held back.",
  },
  REHOUSE_UNSAFE_LISTEN: {
    policy: "usage",
    exit: 2,
    meaning: "The API was to listen where others can reach it, without what keeps it safe there.",
  },
  REHOUSE_UNAUTHENTICATED: { policy: "usage", exit: 2, meaning: "A request to the API has no token, or none that is good." },
  REHOUSE_FORBIDDEN: {
    policy: "usage",
    exit: 2,
    meaning: "A request to the API asks for more than its token's role may do, or comes from another site.",
  },
  REHOUSE_NOT_FOUND: { policy: "usage", exit: 2, meaning: "There is no such tenant, operation, token or address." },
  REHOUSE_NOT_CONFIRMED: {
    policy: "usage",
    exit: 2,
    meaning: "A request to the API does not repeat the names that it has to confirm.",
  },
  REHOUSE_OPERATION_UNDER_WAY: {
    policy: "usage",
    exit: 1,
    meaning: "Another operation of the API on the same tenants is under way.",
  },
  REHOUSE_TOO_MANY: { policy: "retry", exit: 3, meaning: "More was asked of the API at once than it takes." },
  REHOUSE_INTERNAL: { policy: "stop-role", exit: 3, meaning: "Rehouse met a state that its own rules exclude." },
} as const satisfies Record<string, { policy: Policy; exit: 1 | 2 | 3; meaning: string }>;

export type ErrorCode = keyof typeof ERROR_CODES;

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code);
}

export type ErrorDetail = {
  /** What happened, one sentence, never with a secret in it. */
  what: string;
  /** Where: a path in the file, a table, a server without its password, a position. */
  where?: string;
  /** What to do next, as a command or statement where there is one. */
  fix?: string;
  cause?: unknown;
};

/** The one error class of Rehouse: a code of {@link ERROR_CODES}, what happened, where, and what to do next. */
export class RehouseError extends Error {
  readonly code: ErrorCode;
  readonly where: string | undefined;
  readonly fix: string | undefined;

  constructor(code: ErrorCode, detail: ErrorDetail) {
    super(detail.what, detail.cause === undefined ? {} : { cause: detail.cause });
    this.name = "RehouseError";
    this.code = code;
    this.where = detail.where;
    this.fix = detail.fix;
  }

  get policy(): Policy {
    return ERROR_CODES[this.code].policy;
  }

  get exit(): 1 | 2 | 3 {
    return ERROR_CODES[this.code].exit;
  }

  /** As documents, state tables and the log have it. */
  toJSON() {
    const [where, fix] = [this.where, this.fix].map((text) => (text === undefined ? undefined : redact(text)));
    return { code: this.code, what: redact(this.message), where, fix };
  }
}
