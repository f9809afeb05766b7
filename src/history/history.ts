/** What the state tables have written down, for those who look at a migration from outside. */

import type { ForeignWrite } from "../foreign/index.ts";
import type { Direction } from "../model/direction.ts";

/** `reverse`: the feed home, where the target holds the truth, so that `source` is what is at the target. */
export type Feed = Direction;

export type JournalEntry = {
  entry: number;
  at: string;
  feed: Feed;
  /** Null: the migration as a whole. */
  tenant: string | null;
  event: string;
  detail: Record<string, unknown>;
};

/** A row that differs, or did. */
export type KnownDifference = {
  entry: number;
  feed: Feed;
  tenant: string;
  /** schema.table at the source. */
  table: string;
  key: Record<string, string | null>;
  kind: "missing" | "extra" | "different";
  columns: string[];
  /** Null where the row is not there. Long values are cut off, those of secret columns are salted hashes. */
  source: Record<string, string | null> | null;
  target: Record<string, string | null> | null;
  foreignWrite: ForeignWrite | null;
  firstSeen: string;
  lastSeen: string;
  goneAt: string | null;
  repairedBy: string | null;
};

/** The newest comparison of a table of one tenant. */
export type ComparedTable = {
  feed: Feed;
  table: string;
  rows: number | null;
  hash: string | null;
  differences: number | null;
  unsettled: number | null;
  omitted: number | null;
  position: string | null;
  comparedAt: string | null;
  /** Why it could not be compared the last time. */
  obstacle: string | null;
};

export type TenantHistory = {
  /** Newest first. */
  journal: JournalEntry[];
  comparisons: ComparedTable[];
  /** A switch that is under way. */
  switch: { direction: "to-target" | "to-source"; step: string; startedBy: string; beganAt: string } | null;
  /** Of its contract. */
  receipt: unknown;
};

/** `before`: entries that are older than this one. */
export type JournalQuery = {
  feed: Feed;
  tenant: string | undefined;
  event: string | undefined;
  before: number | undefined;
  limit: number;
};

export type DifferencesQuery = {
  feed: Feed;
  tenant: string | undefined;
  table: string | undefined;
  /** `open`: those that differ now; `gone`: those that did. */
  state: "open" | "gone" | "all";
  before: number | undefined;
  limit: number;
};

export type Readiness = {
  source: boolean;
  target: boolean;
  /** Roles that there is work for, and whether a process of each has told of itself lately. */
  roles: Record<string, boolean>;
};

export interface History {
  /** Newest first. */
  journal(query: JournalQuery): Promise<JournalEntry[]>;
  /** Newest first. */
  differences(query: DifferencesQuery): Promise<KnownDifference[]>;
  tenant(tenant: string): Promise<TenantHistory>;
  /** Never rejects for a server that is away. */
  readiness(signal: AbortSignal): Promise<Readiness>;
}
