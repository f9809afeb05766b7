/** Something the preflight saw. An **error** stands in the way of `run`; a **warning** does not. */

/** The closed list: docs/check.md has a row for each, and a test compares the two. */
export const FINDING_CODES = {
  // Servers
  unreachable: "A server does not answer.",
  "probe-failed": "A question could not be answered in time, or the server refused it.",
  "server-version": "The server's version is outside of what Rehouse is made for.",
  "wal-level": "A server does not write what logical replication needs: the source, and the target for a rollback.",
  "source-standby": "The source is a standby, where no publication can be made.",
  "target-standby": "The target is a standby or read-only.",
  "slots-free": "The source, or the target for a rollback, has no replication slot left, or only one.",
  "senders-free": "The source, or the target for a rollback, has no walsender left, or only one.",
  "slot-wal-limit": "A server may drop the WAL that the slot still needs.",
  "slot-failover": "The source's version has no slots that survive a failover.",
  "failover-order": "A standby that takes over may lack what was captured from the source already.",
  encoding: "The two databases differ in encoding or collation provider.",
  "slot-exists": "A replication slot with the migration's name is there, and this migration did not make it.",
  "publication-exists": "A publication with the migration's name is there, and this migration did not make it.",
  "topic-exists": "A topic with the migration's name is there, and this migration did not make it.",
  unencrypted: "What is said to a server can be read on the way to it.",
  unverified: "A server's certificate is not verified, so that anybody could answer in its place.",
  // Privileges
  "replication-privilege": "The source's role may not replicate, or the target's, as a rollback needs.",
  "select-privilege": "The source's role may not read a table.",
  "publication-privilege": "The source's role may not make the publication, or the target's the one of a rollback.",
  "create-privilege":
    "The target's role may not create schemas, or tables in one; or the source's not the one that a rollback needs.",
  "createdb-privilege": "The role may not create the databases of a rehearsal.",
  "write-privilege":
    "The target's role may not write to a table that is there, or the source's to one that a rollback writes to.",
  "replica-role": "A role that writes may not switch triggers off for its session.",
  "sequence-privilege": "A role may not read or move a sequence that a switch moves ahead.",
  "activity-hidden": "A role does not see since when the transactions of others last.",
  "row-security": "Row security hides rows from the role of a server, or is on and does not come along.",
  // Source tables
  "table-missing": "A table of the file is not at the source.",
  "column-missing": "A column of the file is not in its table.",
  "not-a-table": "A view, a foreign table or a partition is not something that can be replicated.",
  "not-logged": "A table's changes are not in the WAL.",
  inherited: "A table has children by inheritance, whose changes come under other names.",
  "no-key": "Nothing says which row of a table is the same row.",
  "replica-identity": "A table's updates and deletes do not say which row they were.",
  "tenant-not-in-identity": "A table's deletes do not say whose row it was.",
  "partition-identity": "The partitions of a table differ in their replica identity.",
  partitioned: "A partitioned table becomes one plain table at the target.",
  "tenant-null": "Rows without a tenant stay behind.",
  // Tenants
  "tenant-type": "Two texts may be the same tenant.",
  "tenant-unknown": "A tenant of the list has no row at the source.",
  "no-tenants": "The tenants' query or the tables name no tenant.",
  "tenant-schema": "A tenant's schema cannot have the name that the layout gives it.",
  // Mapping
  "expression-refused": "Postgres refuses an expression.",
  "expression-volatile": "An expression gives another value each time that it is asked.",
  "expression-type": "An expression's type does not fit its target column.",
  "key-not-carried": "A column of the key does not reach the target unchanged.",
  "no-columns": "No column of a table is left to move.",
  "not-reversible": "A column of the source could not come back in a rollback.",
  "round-trip-differs": "Rows would not come back from the target as they went.",
  "reverse-key-collides": "Both homes would hand out the same keys after a switch.",
  "reverse-default": "A column is not at the target, so that rows made there have its default after a rollback.",
  "in-place-column": "A column cannot come to, or go from, the table that it is in.",
  "in-place-required": "A column that is to go demands a value of every row, also of those that name only the new one.",
  "new-column": "The source has a column that the target table, made by an earlier run, lacks.",
  // Target tables
  "target-not-a-table": "Something else than a table has the target table's name.",
  "target-column-missing": "A target table that is there lacks a column.",
  "target-column-generated": "A column is computed by the target, so that no value can be put into it.",
  "target-column-required": "A target table that is there demands a column that nothing is written to.",
  "target-column-narrower": "A target column holds less than its source, and longer values would be cut or refused.",
  "target-key-missing": "A target table that is there has no unique index over the key.",
  "target-differs": "The target tables of two tenants differ.",
  "target-row-in-the-way": "A target table already has rows where the tenants' rows go.",
  "target-rule": "A rule of a target table stands in the way of what is written.",
  "foreign-writes-unseen": "A target table belongs to another role, so no trigger can note who else writes to it.",
  "target-trigger": "A trigger of a target table would fire for copied and applied rows.",
  "type-missing": "A type is not at the target and cannot be made there.",
  "type-differs": "A type at the target is not the source's.",
  "extension-missing": "An extension is not installed at the target and cannot be.",
  "function-missing": "A function that defaults, checks, indexes or expressions call is not at the target.",
  "target-refused": "The target refuses what expand would create.",
  "constraint-left-out": "A constraint or index cannot be made over the mapped columns and is left out.",
  "foreign-key-left-out": "A foreign key leads to a table that does not move, and is left out.",
} as const satisfies Record<string, string>;

export type FindingCode = keyof typeof FINDING_CODES;

export type Finding = {
  readonly code: FindingCode;
  readonly severity: "error" | "warning";
  /** `source public.orders.total`, `tables.orders.columns.total`, `kafka localhost:9092`. */
  readonly place: string;
  readonly what: string;
  /** A statement or command where there is one. */
  readonly fix: string;
};

export function error<Code extends FindingCode>(
  code: Code,
  place: string,
  what: string,
  fix: string,
): Finding & { readonly code: Code } {
  return { code, severity: "error", place, what, fix };
}

export function warning<Code extends FindingCode>(
  code: Code,
  place: string,
  what: string,
  fix: string,
): Finding & { readonly code: Code } {
  return { code, severity: "warning", place, what, fix };
}

export function isError(finding: Finding): boolean {
  return finding.severity === "error";
}
