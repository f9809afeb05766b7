/**
 * Finds the rows that differ between two sides that change meanwhile: by one sum a unit, where these differ by sums of buckets of keys,
 * where these differ by rows. So equal units cost one scan of each side, others three, however many there are.
 *
 * A **bucket** is the low bits of the key's hash. Unlike key ranges, buckets need no order that both servers agree on (collations differ),
 * no index, and are all of one size.
 */

import { addChecksums, type Checksum, checksumColumns, NO_ROWS, readChecksum, sameChecksum } from "../compare/index.ts";
import { arrayText, literal } from "../model/sql.ts";
import type { Row, Session } from "../ports.ts";
import { overParts, type Side, type Sides } from "./side.ts";

export type Sessions = { readonly source: Session; readonly target: Session };

/**
 * A row as one side has it; undefined: not there. A key can be there more than once where no unique index stands behind it. Its **version**
 * is the transaction that wrote it (xmin): a row that was changed and changed back has the same hash, and another version.
 */
export type Look = (Checksum & { readonly version: bigint }) | undefined;

export type Suspect = { readonly unit: string; readonly key: readonly (string | null)[]; source: Look; target: Look };

export type Scan = {
  /** What the source has, by unit. */
  readonly sums: ReadonlyMap<string, Checksum>;
  readonly suspects: readonly Suspect[];
  /** Rows in buckets that differ and were not looked at one by one, by unit. */
  readonly omitted: ReadonlyMap<string, bigint>;
};

/** Rows of a bucket, so that one row in flight costs a look at this many. */
const ROWS_A_BUCKET = 500;
/** Sums held in memory for one table and side. */
const MOST_BUCKETS = 1 << 18;
/** Rows looked at one by one, for one table. */
const MOST_ROWS = 50_000n;

export async function scanTable(sessions: Sessions, sides: Sides, units: readonly string[]): Promise<Scan> {
  const [source, target] = await onBoth(sessions, sides, (session, side) => totals(session, side, units));
  const differing = units.filter((unit) => !sameChecksum(source.get(unit) ?? NO_ROWS, target.get(unit) ?? NO_ROWS));
  const sums = new Map(units.map((unit) => [unit, source.get(unit) ?? NO_ROWS]));
  if (differing.length === 0) return { sums, suspects: [], omitted: new Map() };

  const mask = bucketMask(differing, [source, target]);
  const [sourceBuckets, targetBuckets] = await onBoth(sessions, sides, (session, side) =>
    buckets(session, side, differing, mask),
  );
  const { chosen, omitted } = choose(sourceBuckets, targetBuckets);
  const [sourceRows, targetRows] = await onBoth(sessions, sides, (session, side) =>
    rowsIn(session, side, differing, mask, chosen),
  );
  return { sums, suspects: [...suspectsOf(sourceRows, targetRows)], omitted };
}

export async function onBoth<T>(
  sessions: Sessions,
  sides: Sides,
  ask: (session: Session, side: Side) => Promise<T>,
): Promise<[T, T]> {
  return Promise.all([ask(sessions.source, sides.source), ask(sessions.target, sides.target)]);
}

async function totals(session: Session, side: Side, units: readonly string[]): Promise<Map<string, Checksum>> {
  const sums = overParts(
    side,
    units,
    (part) => `${part.unit} AS unit, ${checksumColumns(side.rowHash)}`,
    (part) => (part.units.length > 1 ? ` GROUP BY ${part.unit}` : ""),
  );
  return new Map((await rowsOf(session, sums)).map((row) => [row["unit"] ?? "", readChecksum(row)]));
}

/** A power of two minus one: enough buckets for the largest unit, no more than fit for all. */
function bucketMask(units: readonly string[], totals: readonly ReadonlyMap<string, Checksum>[]): number {
  const largest = Math.max(...units.flatMap((unit) => totals.map((sums) => Number(sums.get(unit)?.rows ?? 0n))));
  let count = 1;
  while (count < largest / ROWS_A_BUCKET && count * 2 * units.length <= MOST_BUCKETS) count *= 2;
  return count - 1;
}

type Bucket = { readonly unit: string; readonly bucket: string; readonly checksum: Checksum };

async function buckets(session: Session, side: Side, units: readonly string[], mask: number): Promise<Map<string, Bucket>> {
  const sums = overParts(
    side,
    units,
    (part) => `${part.unit} AS unit, ${side.keyHash} & ${mask} AS bucket, ${checksumColumns(side.rowHash)}`,
    (part) => ` GROUP BY ${part.units.length > 1 ? `${part.unit}, ` : ""}${side.keyHash} & ${mask}`,
  );
  const rows = await rowsOf(session, sums);
  return new Map(
    rows.map((row) => {
      const [unit, bucket] = [row["unit"] ?? "", row["bucket"] ?? ""];
      return [`${bucket} ${unit}`, { unit, bucket, checksum: readChecksum(row) }];
    }),
  );
}

/** The buckets that differ, as many as may be looked at row by row. */
function choose(
  source: ReadonlyMap<string, Bucket>,
  target: ReadonlyMap<string, Bucket>,
): { chosen: Bucket[]; omitted: Map<string, bigint> } {
  const chosen: Bucket[] = [];
  const omitted = new Map<string, bigint>();
  let rows = 0n;
  for (const name of new Set([...source.keys(), ...target.keys()])) {
    const [here, there] = [source.get(name), target.get(name)];
    const bucket = here ?? there;
    if (bucket === undefined || sameChecksum(here?.checksum ?? NO_ROWS, there?.checksum ?? NO_ROWS)) continue;
    const size = max(here?.checksum.rows ?? 0n, there?.checksum.rows ?? 0n);
    if (chosen.length > 0 && rows + size > MOST_ROWS) {
      omitted.set(bucket.unit, (omitted.get(bucket.unit) ?? 0n) + size);
    } else {
      rows += size;
      chosen.push(bucket);
    }
  }
  return { chosen, omitted };
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

type Keyed = { readonly unit: string; readonly key: readonly (string | null)[]; readonly look: NonNullable<Look> };

async function rowsIn(
  session: Session,
  side: Side,
  units: readonly string[],
  mask: number,
  chosen: readonly Bucket[],
): Promise<Map<string, Keyed>> {
  if (chosen.length === 0) return new Map();
  const wanted = new Set(chosen.map((bucket) => bucket.unit));
  const rows = overParts(
    side,
    units.filter((unit) => wanted.has(unit)),
    (part) => `${part.unit} AS unit, ${keyColumns(side)}, ${side.keyHash} & ${mask} AS bucket, ${lookColumns(side)}`,
  );
  const inChosen = (sql: string) =>
    `SELECT found.* FROM (${sql}) AS found JOIN unnest($1::text[], $2::bigint[]) AS wanted(unit, bucket) USING (unit, bucket)`;
  const params = [arrayText(chosen.map((bucket) => bucket.unit)), arrayText(chosen.map((bucket) => bucket.bucket))];
  return readKeyed(await rowsOf(session, rows.map(inChosen), params), side.key.length);
}

async function rowsOf(session: Session, statements: readonly string[], params?: readonly string[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const sql of statements) for (const row of await session.query(sql, params)) rows.push(row);
  return rows;
}

/** The rows of one unit that have these keys, as they are now. */
export async function rowsWithKeys(
  session: Session,
  side: Side,
  unit: string,
  keys: readonly (readonly (string | null)[])[],
): Promise<Map<string, Keyed>> {
  const rows = side
    .parts([unit])
    .map((part) => {
      const where = [...part.rows.where, side.hasKey(1)].join(" AND ");
      return `SELECT ${literal(unit)} AS unit, ${keyColumns(side)}, ${lookColumns(side)} FROM ${part.rows.from} WHERE ${where}`;
    })
    .join(" UNION ALL ");
  return readKeyed(await session.query(rows, keyParams(side, keys)), side.key.length);
}

/** One text array for each key column. */
export function keyParams(side: Side, keys: readonly (readonly (string | null)[])[]): string[] {
  return side.key.map((_, index) => arrayText(keys.map((key) => key[index] ?? null)));
}

function keyColumns(side: Side): string {
  return side.key.map((sql, index) => `${sql} AS key_${index}`).join(", ");
}

function lookColumns(side: Side): string {
  return `${side.rowHash} AS hash, ${side.version} AS version`;
}

function readKeyed(rows: readonly Row[], keyLength: number): Map<string, Keyed> {
  const keyed = new Map<string, Keyed>();
  for (const row of rows) {
    const unit = row["unit"] ?? "";
    const key = Array.from({ length: keyLength }, (_, index) => row[`key_${index}`] ?? null);
    const name = nameOf(unit, key);
    const before = keyed.get(name)?.look;
    const sum = addChecksums(before ?? NO_ROWS, { rows: 1n, hash: BigInt(row["hash"] ?? "0") });
    const version = (before?.version ?? 0n) + BigInt(row["version"] ?? "0");
    keyed.set(name, { unit, key, look: { ...sum, version } });
  }
  return keyed;
}

export function nameOf(unit: string, key: readonly (string | null)[]): string {
  return JSON.stringify([unit, ...key]);
}

function* suspectsOf(source: ReadonlyMap<string, Keyed>, target: ReadonlyMap<string, Keyed>): Iterable<Suspect> {
  for (const name of new Set([...source.keys(), ...target.keys()])) {
    const [here, there] = [source.get(name), target.get(name)];
    const row = here ?? there;
    if (row === undefined || sameLook(here?.look, there?.look)) continue;
    yield { unit: row.unit, key: row.key, source: here?.look, target: there?.look };
  }
}

export function sameLook(a: Look, b: Look): boolean {
  return a === undefined || b === undefined ? a === b : sameChecksum(a, b);
}

/** Equal, and not written in between. */
export function heldStill(before: Look, now: Look): boolean {
  return sameLook(before, now) && before?.version === now?.version;
}
