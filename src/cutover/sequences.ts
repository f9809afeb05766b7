/** Moves the sequences of identity, serial and default columns ahead at a switch; how far is told by sequence-plan.ts. */

import { togetherness } from "../catalog/index.ts";
import { holdsRowsOf, type TableName, tableText, targetOf } from "../model/mapping.ts";
import { arrayText } from "../model/sql.ts";
import type { Row, Session } from "../ports.ts";
import type { Feed } from "./leg.ts";
import { type Ahead, isNoRoom, movedFrom, type NoRoom, planSequence, type Sequence, type SequencePair } from "./sequence-plan.ts";

/** The columns that have a sequence on both sides, and hold the same values there. */
export type SequenceColumns = readonly {
  readonly column: string;
  readonly leaving: string;
  readonly arriving: string;
  readonly shared: boolean;
}[];

export async function findSequences(feed: Feed, tenant: string, leaving: Session, arriving: Session): Promise<SequenceColumns> {
  const tables = feed.mapping.tables
    .filter((table) => table.kind !== "shared" && holdsRowsOf(table, tenant))
    .map((table) => ({ table, target: targetOf(feed.mapping, table, tenant) }));
  const [there, here, servers] = await Promise.all([
    sequencesOf(
      leaving,
      tables.map(({ table }) => table.source),
    ),
    sequencesOf(
      arriving,
      tables.map(({ target }) => target),
    ),
    togetherness(leaving, arriving),
  ]);
  // In one database both sides may count with one sequence, which gives out no number twice: moving it would lose numbers, or repeat some.
  const isOne = (from: string, to: string) => servers === "same database" && from === to;
  return tables.flatMap(({ table, target }) =>
    table.columns.flatMap(({ name, plain }) => {
      if (plain === undefined) return [];
      const [from, to] = [there.get(nameOf(table.source, plain)), here.get(nameOf(target, name))];
      if (from === undefined || to === undefined || isOne(from, to)) return [];
      // Of a table that names no tenant all rows are this one's: nobody else is left behind in it.
      return [{ column: nameOf(target, name), leaving: from, arriving: to, shared: table.tenantColumn !== undefined }];
    }),
  );
}

/** What stands in the way of moving them, column by column. */
export async function sequencesWithoutRoom(columns: SequenceColumns, leaving: Session, arriving: Session): Promise<NoRoom[]> {
  return (await pairsOf(columns, leaving, arriving)).map(planSequence).filter(isNoRoom);
}

/** Numbers that the new home alone gives out: after `from`, up to `to`. */
export type Block = {
  readonly column: string;
  readonly arriving: string;
  readonly leaving: string;
  readonly from: string;
  readonly to: string;
};

/**
 * Numbers that are given out to other tenants between the look and the move fall into the margin. Where room was found in the gate and is gone since,
 * the sequence stays where it is: a key that is given out twice is refused by the table. `note` keeps the blocks that are to be set aside before anything
 * moves, and where they are after it: a switch that dies in between leaves sequences that have moved, and nobody is to take that for numbers given out.
 */
export async function moveSequences(
  columns: SequenceColumns,
  leaving: Session,
  arriving: Session,
  note: (event: "sequences-moving" | "sequences-moved", blocks: readonly Block[]) => Promise<void>,
): Promise<void> {
  const pairs = await pairsOf(columns, leaving, arriving);
  const moves = pairs.flatMap((pair) => {
    const move = planSequence(pair);
    return isNoRoom(move) ? [] : [{ pair, move }];
  });
  const intended = moves.flatMap(({ pair, move: { arriving: ahead, block } }) => {
    const { last } = pair.arriving;
    return block === undefined ? [] : [blockOf(pair, ahead === undefined ? (last ?? 0n) : movedFrom(last, ahead), block)];
  });
  if (intended.length > 0) await note("sequences-moving", intended);
  const begins = await moveAhead(
    arriving,
    moves.flatMap(({ pair, move }) => (move.arriving === undefined ? [] : [{ name: pair.arriving.name, ...move.arriving }])),
  );
  const shared = moves.flatMap(({ pair, move: { block } }) =>
    block === undefined ? [] : [{ pair, block, begin: begins.get(pair.arriving.name) ?? pair.arriving.last ?? 0n }],
  );
  const ends = await moveAhead(
    leaving,
    shared.map(({ pair, block, begin }) => ({ name: pair.leaving.name, last: begin + block, by: block })),
  );
  const blocks = shared.map(({ pair, block, begin }): Block => {
    const planned = blockOf(pair, begin, block);
    return { ...planned, to: String(ends.get(pair.leaving.name) ?? planned.to) };
  });
  if (blocks.length > 0) await note("sequences-moved", blocks);
}

function blockOf({ column, arriving, leaving }: SequencePair, from: bigint, size: bigint): Block {
  return { column, arriving: arriving.name, leaving: leaving.name, from: String(from), to: String(from + size) };
}

/**
 * Never back. What was read may be old by now: another tenant that is switched meanwhile may have moved the same sequence, and its clients count on from
 * there. Nothing keeps them from it between the comparison and setval(), which is why a sequence that has to move at all moves by a whole margin.
 * Resolves to where each one is now, by its name.
 */
async function moveAhead(session: Session, moves: readonly (Ahead & { readonly name: string })[]): Promise<Map<string, bigint>> {
  if (moves.length === 0) return new Map();
  // Always in the same order: two switches that waited for one another's sequences would wait for ever.
  const ordered = [...moves].sort((a, b) => (a.name < b.name ? -1 : 1));
  const answers = await session.pipeline(
    ordered.flatMap(({ name, last, by }) => [
      { sql: LOCK_SEQUENCE, params: [name] },
      { sql: MOVE_AHEAD, params: [name, String(last), String(by)] },
    ]),
  );
  return new Map(ordered.map(({ name }, index) => [name, BigInt(answers[2 * index + 1]?.rows[0]?.["last"] ?? "0")]));
}

/** Until the pipeline's end. */
const LOCK_SEQUENCE = "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('rehouse.sequence ' || $1, 0))";

/** $2: where it is to be at least. $3: by how much it moves when it is not there yet; its sign is the direction of counting. */
const MOVE_AHEAD = `
  SELECT CASE WHEN CASE WHEN $3::bigint > 0 THEN now.last >= $2::bigint ELSE now.last <= $2::bigint END THEN now.last
              WHEN $3::bigint > 0 THEN pg_catalog.setval($1::regclass, greatest($2::bigint, now.last + $3::bigint))
              ELSE pg_catalog.setval($1::regclass, least($2::bigint, now.last + $3::bigint)) END AS last
    FROM pg_catalog.pg_sequence_last_value($1::regclass) AS now(last)`;

async function pairsOf(columns: SequenceColumns, leaving: Session, arriving: Session): Promise<SequencePair[]> {
  if (columns.length === 0) return [];
  const [there, here] = await Promise.all([
    read(
      leaving,
      columns.map((column) => column.leaving),
    ),
    read(
      arriving,
      columns.map((column) => column.arriving),
    ),
  ]);
  return columns.flatMap(({ column, shared, ...names }) => {
    const [from, to] = [there.get(names.leaving), here.get(names.arriving)];
    return from === undefined || to === undefined ? [] : [{ column, shared, leaving: from, arriving: to }];
  });
}

/** Column (schema.table.column) → its sequence, quoted for SQL. One that feeds several columns is in the list for each. */
async function sequencesOf(session: Session, tables: readonly TableName[]): Promise<Map<string, string>> {
  const rows = await session.query(
    `WITH column_of AS (
       -- identity and serial columns own theirs; any other default names it
       SELECT d.refobjid AS relation, d.refobjsubid AS attribute, d.objid AS sequence FROM pg_catalog.pg_depend AS d
        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i')
       UNION
       SELECT a.adrelid, a.adnum, d.refobjid FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_attrdef AS a ON a.oid = d.objid
        WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
     )
     SELECT n.nspname AS schema, c.relname AS table, a.attname AS column, pg_catalog.format('%I.%I', sn.nspname, s.relname) AS sequence
       FROM jsonb_to_recordset($1::jsonb) AS wanted(schema text, "table" text)
       JOIN pg_catalog.pg_namespace AS n ON n.nspname = wanted.schema
       JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = wanted."table"
       JOIN column_of ON column_of.relation = c.oid
       JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = column_of.attribute AND a.attnum > 0
       JOIN pg_catalog.pg_class AS s ON s.oid = column_of.sequence AND s.relkind = 'S'
       JOIN pg_catalog.pg_namespace AS sn ON sn.oid = s.relnamespace`,
    [JSON.stringify(tables.map(({ schema, table }) => ({ schema, table })))],
  );
  return new Map(
    rows.map((row) => [
      nameOf({ schema: row["schema"] ?? "", table: row["table"] ?? "" }, row["column"] ?? ""),
      row["sequence"] ?? "",
    ]),
  );
}

/** An int4 column cannot take what a sequence of bigints gives out: the narrower of the two is its end. */
async function read(session: Session, names: readonly string[]): Promise<Map<string, Sequence>> {
  const [answer] = await session.pipeline([
    {
      sql: `SELECT named.name, pg_catalog.pg_sequence_last_value(s.seqrelid) AS last, s.seqincrement AS increment,
                   greatest(s.seqmin, coalesce(fed.least, s.seqmin)) AS least, least(s.seqmax, coalesce(fed.most, s.seqmax)) AS most, s.seqcycle AS cycles
              FROM unnest($1::text[]) AS named(name) JOIN pg_catalog.pg_sequence AS s ON s.seqrelid = named.name::regclass
              LEFT JOIN LATERAL (
                SELECT max(CASE a.atttypid WHEN 'int2'::regtype THEN -32768 WHEN 'int4'::regtype THEN -2147483648 END) AS least,
                       min(CASE a.atttypid WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647 END) AS most
                  FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
                 WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = s.seqrelid AND d.refclassid = 'pg_catalog.pg_class'::regclass
                   AND d.deptype IN ('a', 'i')
              ) AS fed ON true`,
      params: [arrayText([...new Set(names)])],
    },
  ]);
  return new Map((answer?.rows ?? []).map((row) => [row["name"] ?? "", sequenceOf(row)]));
}

function sequenceOf(row: Row): Sequence {
  const number = (name: string) => BigInt(row[name] ?? "0");
  return {
    name: row["name"] ?? "",
    last: row["last"] == null ? undefined : number("last"),
    increment: number("increment"),
    min: number("least"),
    max: number("most"),
    cycles: row["cycles"] === "t",
  };
}

function nameOf(table: TableName, column: string): string {
  return `${tableText(table)}.${column}`;
}
