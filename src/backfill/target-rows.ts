/**
 * Finds and sums the rows that the open transaction wrote into target tables. They are known by their xmin, which no index leads to; so it
 * looks where the tables have grown, and further down only when rows are missing there.
 */

import { addChecksums, type Checksum, checksumColumns, NO_ROWS, readChecksum, rowsClause } from "../compare/index.ts";
import { arrayText, literal } from "../model/sql.ts";
import type { Session } from "../ports.ts";

/** A physical relation of a target table and the blocks it had before rows were written. */
type Leaf = { readonly name: string; readonly blocks: number };

/** Root relations (quoted for SQL) → their leaves. A target table may be partitioned. */
export type TargetSizes = ReadonlyMap<string, readonly Leaf[]>;

/**
 * A COPY first uses up free space that it knows of below the old end: pages that an extension of another worker left to the free space
 * map (64 at a time, MAX_BUFFERS_TO_EXTEND_BY), or that deletes emptied.
 */
const FIRST_SLACK_BLOCKS = 128;
/** Tables summed by one statement. More would make planning it slow. */
const TABLES_A_STATEMENT = 50;

export async function sizesBefore(target: Session, roots: readonly string[]): Promise<TargetSizes> {
  const rows = await target.query(
    `SELECT root.name AS root, pg_catalog.format('%I.%I', n.nspname, c.relname) AS leaf,
            pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::int AS blocks
       FROM unnest($1::text[]) AS root(name)
       JOIN pg_catalog.pg_class AS r ON r.oid = CAST(root.name AS regclass)
       JOIN LATERAL (SELECT relid::oid AS oid FROM pg_catalog.pg_partition_tree(r.oid) WHERE isleaf AND r.relkind = 'p' UNION ALL SELECT r.oid WHERE r.relkind <> 'p') AS part ON true
       JOIN pg_catalog.pg_class AS c ON c.oid = part.oid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace`,
    [arrayText(roots)],
  );
  const sizes = new Map<string, Leaf[]>(roots.map((root) => [root, []]));
  for (const row of rows) sizes.get(row["root"] ?? "")?.push({ name: row["leaf"] ?? "", blocks: Number(row["blocks"]) });
  return sizes;
}

/**
 * What the transaction `xid` wrote into each table. `expected` (root → rows) may still be counted at the source while the first look is
 * under way. Where it finds fewer rows it looks further down, at last at the whole table.
 */
export async function writtenRows(
  target: Session,
  xid: string,
  sizes: TargetSizes,
  rowHash: string,
  roots: readonly string[],
  expected: Promise<ReadonlyMap<string, bigint>>,
): Promise<Map<string, Checksum>> {
  const found = new Map<string, Checksum>();
  let missing = roots;
  for (let slack = FIRST_SLACK_BLOCKS; missing.length > 0; slack *= 2) {
    for (let from = 0; from < missing.length; from += TABLES_A_STATEMENT) {
      const part = await sumOnce(target, xid, sizes, rowHash, missing.slice(from, from + TABLES_A_STATEMENT), slack);
      for (const [root, checksum] of part) found.set(root, checksum);
    }
    const rows = await expected;
    const isMissing = (root: string) =>
      found.get(root)?.rows !== (rows.get(root) ?? 0n) && sizes.get(root)?.some((leaf) => leaf.blocks > slack);
    missing = missing.filter(isMissing);
  }
  return found;
}

async function sumOnce(
  target: Session,
  xid: string,
  sizes: TargetSizes,
  rowHash: string,
  roots: readonly string[],
  slack: number,
): Promise<Map<string, Checksum>> {
  const selects = roots.flatMap((root) =>
    (sizes.get(root) ?? []).map((leaf) => {
      const from = Math.max(0, leaf.blocks - slack);
      const rows = {
        from: `ONLY ${leaf.name}`,
        where: [...(from === 0 ? [] : [`ctid >= '(${from},0)'::tid`]), `xmin = ${literal(xid)}::xid`],
      };
      return `SELECT ${literal(root)} AS root, ${checksumColumns(rowHash)} ${rowsClause(rows)}`;
    }),
  );
  const sums = new Map<string, Checksum>(roots.map((root) => [root, NO_ROWS]));
  if (selects.length === 0) return sums;
  for (const row of await target.query(selects.join(" UNION ALL "))) {
    const root = row["root"] ?? "";
    sums.set(root, addChecksums(sums.get(root) ?? NO_ROWS, readChecksum(row)));
  }
  return sums;
}
