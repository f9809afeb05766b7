/**
 * The source's tables, known by what they are and not by what they are called: a table that is renamed goes on under its old name here, and
 * another one that takes its name is not mistaken for it. In the publication, as in the stream, a table is its oid.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { RehouseError } from "../errors.ts";
import { type Mapping, type TableName, tableText } from "../model/mapping.ts";
import { arrayText, qualified } from "../model/sql.ts";
import { ConnectionLost, type Database, type Row } from "../ports.ts";
import { slotName } from "./slot.ts";

/** oid → schema.table of the mapping. */
export type KnownTables = ReadonlyMap<number, string>;

/** Writes down which tables the mapping means; once. REHOUSE_SCHEMA_CHANGED: one of the names means another table by now. */
export async function rememberTables(source: Database, target: Database, mapping: Mapping): Promise<void> {
  const rows = await source.query(
    `SELECT name AS source, to_regclass(quoted)::oid AS relation,
            ARRAY(SELECT relid::oid FROM pg_partition_tree(to_regclass(quoted)) WHERE relid <> to_regclass(quoted)) AS partitions
       FROM jsonb_to_recordset($1::jsonb) AS wanted(name text, quoted text)`,
    [JSON.stringify(mapping.tables.map((table) => ({ name: tableText(table.source), quoted: qualified(table.source) })))],
  );
  const json = JSON.stringify(rows);
  await target.query(
    `INSERT INTO rehouse.source_table (migration, source, relation, partitions)
     SELECT $1, source, relation, partitions FROM jsonb_to_recordset($2::jsonb) AS now(source text, relation oid, partitions oid[])
     ON CONFLICT DO NOTHING`,
    [mapping.migration, json],
  );
  const known = await knownTables(target, mapping.migration);
  for (const row of rows)
    if (!known.has(Number(row["relation"])))
      throw replaced(row["source"] ?? "", "the one that is moved is not called so any more");
}

export async function knownTables(target: Database, migration: string): Promise<KnownTables> {
  const rows = await target.query("SELECT relation, source FROM rehouse.source_table WHERE migration = $1", [migration]);
  return new Map(rows.map((row) => [Number(row["relation"]), row["source"] ?? ""]));
}

/** What is published no longer is not missed. */
export async function forgetTables(target: Database, migration: string, keep: readonly TableName[]): Promise<void> {
  await target.query("DELETE FROM rehouse.source_table WHERE migration = $1 AND source <> ALL ($2::text[])", [
    migration,
    arrayText(keep.map(tableText)),
  ]);
}

/** SQL: publication p has every change of relation r, in every column. Row filters and column lists came with version 15. */
const PUBLISHES_ALL = `p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate AND p.pubviaroot
                       AND to_jsonb(r) ->> 'prqual' IS NULL AND to_jsonb(r) ->> 'prattrs' IS NULL`;

/** Whether the publication still has every change of the tables. What it has not had meanwhile is missing from the stream for ever. */
export async function isPublished(source: Database, target: Database, migration: string): Promise<boolean> {
  const known = await knownTables(target, migration);
  const [row] = await source.query(
    `SELECT count(*) AS tables FROM pg_publication AS p JOIN pg_publication_rel AS r ON r.prpubid = p.oid
      WHERE p.pubname = $1 AND r.prrelid = ANY ($2::oid[]) AND ${PUBLISHES_ALL}`,
    [slotName(migration), arrayText([...known.keys()].map(String))],
  );
  return Number(row?.["tables"]) === known.size;
}

export type SourceChange = { readonly table: string; readonly what: string; readonly fix: string };

/**
 * What has become of the tables, as far as the stream does not say it. Resolves to what has to be known, each partition's coming and
 * going once; rejects with REHOUSE_SCHEMA_CHANGED where changes would be missing from the stream.
 */
export async function lookAtTables(
  source: Database,
  target: Database,
  migration: string,
  publication: string,
): Promise<SourceChange[]> {
  const remembered = await target.query(
    "SELECT relation, source, partitions::text FROM rehouse.source_table WHERE migration = $1 ORDER BY source",
    [migration],
  );
  const rows = await source.query(
    `SELECT known.source, known.relation, format('%I.%I', n.nspname, c.relname) AS now, n.nspname || '.' || c.relname AS name,
            EXISTS (SELECT FROM pg_publication AS p JOIN pg_publication_rel AS r ON r.prpubid = p.oid
                     WHERE p.pubname = $2 AND r.prrelid = c.oid AND ${PUBLISHES_ALL}) AS published,
            EXISTS (SELECT FROM pg_class AS o JOIN pg_namespace AS m ON m.oid = o.relnamespace
                     WHERE m.nspname || '.' || o.relname = known.source AND o.oid <> known.relation AND o.relkind IN ('r', 'p')) AS replaced,
            ARRAY(SELECT relid::oid FROM pg_partition_tree(c.oid) WHERE relid <> c.oid) AS partitions,
            (SELECT string_agg(part.relid::regclass::text, ', ')
               FROM pg_partition_tree(c.oid) AS part
               JOIN pg_class AS pc ON pc.oid = part.relid JOIN pg_type AS t ON t.oid = pc.reltype
               JOIN pg_inherits AS i ON i.inhrelid = part.relid
              -- One that was made as a partition had no rows before; its row type is as old as its place in the tree.
              WHERE part.relid <> ALL (known.partitions) AND i.xmin <> t.xmin) AS attached,
            (SELECT string_agg(coalesce(gone.oid::regclass::text, gone.oid::text), ', ')
               FROM unnest(known.partitions) AS gone(oid)
              WHERE gone.oid NOT IN (SELECT relid FROM pg_partition_tree(c.oid))) AS detached
       FROM jsonb_to_recordset($1::jsonb) AS known(source text, relation oid, partitions oid[])
       LEFT JOIN pg_class AS c ON c.oid = known.relation
       LEFT JOIN pg_namespace AS n ON n.oid = c.relnamespace`,
    [JSON.stringify(remembered), publication],
  );
  for (const row of rows) refuseLost(row, publication);
  const changes = rows.flatMap(changesOf);
  await target.query(
    `UPDATE rehouse.source_table AS s SET partitions = now.partitions
       FROM jsonb_to_recordset($2::jsonb) AS now(source text, partitions oid[])
      WHERE s.migration = $1 AND s.source = now.source AND s.partitions IS DISTINCT FROM now.partitions`,
    [migration, JSON.stringify(rows)],
  );
  return changes;
}

/** Two catalog queries. What is noticed later has been missing for longer. */
const LOOK_EVERY_MS = 2_000;

/** Until `signal` aborts; rejects like {@link lookAtTables}. A server that is away is waited out: capture's other parts tell of it. */
export async function watchTables(
  of: {
    readonly migration: string;
    readonly source: Database;
    readonly target: Database;
    readonly report: (change: SourceChange) => void;
  },
  signal: AbortSignal,
): Promise<void> {
  const { migration, source, target, report } = of;
  const told = new Set<string>();
  while (!signal.aborted) {
    try {
      const changes = await lookAtTables(source, target, migration, slotName(migration));
      for (const change of changes.filter(({ what }) => !told.has(what))) report(change);
      told.clear();
      for (const { what } of changes) told.add(what);
    } catch (error) {
      if (!(error instanceof ConnectionLost || (error instanceof RehouseError && error.policy === "retry"))) throw error;
    }
    await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}

const REPAIR = "`rehouse verify` shows the rows that differ, `rehouse verify --repair` brings them";

function refuseLost(row: Row, publication: string): void {
  const table = row["source"] ?? "";
  const now = row["now"];
  if (now == null)
    throw new RehouseError("REHOUSE_SCHEMA_CHANGED", {
      what: "the table was dropped at the source",
      where: table,
      fix: "cancel the migration and begin it again with a file that fits",
    });
  if (row["replaced"] === "t") throw replaced(table, `the one that is moved is called ${now} now`);
  if (row["published"] !== "t")
    throw new RehouseError("REHOUSE_SCHEMA_CHANGED", {
      what: `the publication ${publication} was altered and no longer has all of the table: changes since then are missing from the stream`,
      where: table,
      fix: "`rehouse resync`, then `rehouse run`: the rows that differ are read again",
    });
}

function changesOf(row: Row): SourceChange[] {
  const table = row["source"] ?? "";
  const changes: SourceChange[] = [];
  if (row["name"] !== table)
    changes.push({
      table,
      what: `the table is called ${row["now"]} now; its changes go on, but it can be neither copied nor compared`,
      fix: `give it its name back: ALTER TABLE ${row["now"]} RENAME TO ...; (or SET SCHEMA)`,
    });
  if (row["attached"] != null)
    changes.push({
      table,
      what: `${row["attached"]} was attached as a partition: the rows that it held are not in the stream`,
      fix: REPAIR,
    });
  if (row["detached"] != null)
    changes.push({
      table,
      what: `the partition ${row["detached"]} was detached or dropped: that its rows are gone is not in the stream`,
      fix: REPAIR,
    });
  return changes;
}

function replaced(table: string, how: string): RehouseError {
  return new RehouseError("REHOUSE_SCHEMA_CHANGED", {
    what: `another table has the name ${table} now, and its changes are not in the stream; ${how}`,
    where: table,
    fix: "give both tables their names back, or cancel the migration and begin it again",
  });
}
