/** What the state tables have written down. See README.md beside this file. */

export type {
  ComparedTable,
  DifferencesQuery,
  Feed,
  History,
  JournalEntry,
  JournalQuery,
  KnownDifference,
  Readiness,
  TenantHistory,
} from "./history.ts";
export { StateHistory } from "./store.ts";
