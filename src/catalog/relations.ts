/** Which relations there are, what they are, and the storage beneath them. */

import type { TableName } from "../model/mapping.ts";
import type { Session } from "../ports.ts";
import type { Leaf, RelationKind, Rule, Table, Trigger } from "./catalog.ts";
import { coded, flag, groupBy, number, oidArray, optional, text } from "./fields.ts";

export type Relation = Pick<
  Table,
  | "name"
  | "oid"
  | "kind"
  | "persistence"
  | "owner"
  | "comment"
  | "rowSecurity"
  | "rowsHidden"
  | "isPartition"
  | "partitionKey"
  | "inherited"
> & { readonly replicaIdentity: Leaf["identity"] };

const KINDS: Record<string, RelationKind> = {
  r: "table",
  p: "partitioned table",
  v: "view",
  m: "materialized view",
  f: "foreign table",
};
const IDENTITIES: Record<string, Leaf["identity"]> = { d: "default", n: "nothing", f: "full", i: "index" };
const PERSISTENCE: Record<string, Table["persistence"]> = { p: "permanent", u: "unlogged", t: "temporary" };

export async function readRelations(session: Session, wanted: readonly TableName[]): Promise<Relation[]> {
  const rows = await session.query(
    `
    SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relreplident, c.relispartition,
           pg_get_userbyid(c.relowner) AS owner,
           obj_description(c.oid, 'pg_class') AS comment,
           CASE WHEN c.relforcerowsecurity THEN 'forced' WHEN c.relrowsecurity THEN 'on' ELSE 'off' END AS row_security,
           c.relrowsecurity AND row_security_active(c.oid) AS rows_hidden,
           pg_get_partkeydef(c.oid) AS partition_key,
           c.relkind <> 'p' AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid) AS inherited
      FROM jsonb_to_recordset($1::jsonb) AS wanted(schema text, "table" text)
      JOIN pg_namespace n ON n.nspname = wanted.schema
      JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted."table"
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
     ORDER BY n.nspname, c.relname`,
    [JSON.stringify(wanted.map(({ schema, table }) => ({ schema, table })))],
  );
  return rows.map((row) => ({
    name: { schema: text(row, "nspname"), table: text(row, "relname") },
    oid: text(row, "oid"),
    kind: coded(row, "relkind", KINDS),
    persistence: coded(row, "relpersistence", PERSISTENCE),
    owner: text(row, "owner"),
    comment: optional(row, "comment"),
    rowSecurity: coded<Table["rowSecurity"]>(row, "row_security", { off: "off", on: "on", forced: "forced" }),
    rowsHidden: flag(row, "rows_hidden"),
    isPartition: flag(row, "relispartition"),
    partitionKey: optional(row, "partition_key"),
    inherited: flag(row, "inherited"),
    replicaIdentity: coded(row, "relreplident", IDENTITIES),
  }));
}

/** By the relation's oid. A table that was never analysed is estimated at 100 bytes a row. */
export async function readLeaves(session: Session, oids: readonly string[]): Promise<Map<string, Leaf[]>> {
  const rows = await session.query(
    `
    WITH leaf AS (
      SELECT root.oid AS root, tree.relid AS oid
        FROM pg_class root CROSS JOIN LATERAL pg_partition_tree(root.oid) AS tree
       WHERE root.oid = ANY($1::oid[]) AND root.relkind = 'p' AND tree.isleaf
      UNION ALL
      SELECT root.oid, root.oid FROM pg_class root WHERE root.oid = ANY($1::oid[]) AND root.relkind = 'r'
    )
    SELECT leaf.root, n.nspname, c.relname, c.relreplident, coalesce(pg_relation_filenode(c.oid), 0) AS filenode, size.bytes,
           CASE WHEN c.reltuples < 0 THEN coalesce(pg_relation_size(c.oid), 0) / 100 ELSE c.reltuples::bigint END AS estimate
      FROM leaf
      JOIN pg_class c ON c.oid = leaf.oid
      JOIN pg_namespace n ON n.oid = c.relnamespace
     CROSS JOIN LATERAL (SELECT coalesce(pg_table_size(c.oid), 0) AS bytes) AS size
     ORDER BY leaf.root, n.nspname, c.relname`,
    [oidArray(oids)],
  );
  return mapGroups(groupBy(rows, "root"), (row) => ({
    name: { schema: text(row, "nspname"), table: text(row, "relname") },
    filenode: text(row, "filenode"),
    bytes: number(row, "bytes"),
    rowsEstimated: number(row, "estimate"),
    identity: coded(row, "relreplident", IDENTITIES),
  }));
}

const TRIGGER_STATES: Record<string, Trigger["enabled"]> = { O: "origin", A: "always", R: "replica", D: "disabled" };

export async function readTriggers(session: Session, oids: readonly string[]): Promise<Map<string, Trigger[]>> {
  const rows = await session.query(
    `SELECT tgrelid, tgname, tgenabled FROM pg_trigger WHERE tgrelid = ANY($1::oid[]) AND NOT tgisinternal ORDER BY tgrelid, tgname`,
    [oidArray(oids)],
  );
  return mapGroups(groupBy(rows, "tgrelid"), (row) => ({
    name: text(row, "tgname"),
    enabled: coded(row, "tgenabled", TRIGGER_STATES),
  }));
}

export async function readRules(session: Session, oids: readonly string[]): Promise<Map<string, Rule[]>> {
  const rows = await session.query(
    `SELECT ev_class, rulename, ev_type, ev_enabled FROM pg_rewrite WHERE ev_class = ANY($1::oid[]) AND ev_type <> '1' ORDER BY ev_class, rulename`,
    [oidArray(oids)],
  );
  return mapGroups(groupBy(rows, "ev_class"), (row) => ({
    name: text(row, "rulename"),
    event: coded<Rule["event"]>(row, "ev_type", { "2": "update", "3": "insert", "4": "delete" }),
    enabled: coded(row, "ev_enabled", TRIGGER_STATES),
  }));
}

export function mapGroups<A, B>(groups: Map<string, A[]>, make: (item: A) => B): Map<string, B[]> {
  return new Map([...groups].map(([key, items]) => [key, items.map(make)]));
}
