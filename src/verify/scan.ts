/**
 * Finds the rows that differ between two sides that change meanwhile: by sums of buckets of keys, where these differ by rows. So equal units
 * cost one scan of each side. Where the differing buckets hold too many rows to look at one by one, sums of finer ones come in between.
 *
 * A **bucket** is the low bits of a hash of the key. Unlike key ranges, buckets need no order that both servers agree on (collations differ),
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

/** Buckets of the first scan, of a unit: as few as are hashed into without a cache miss, as many as make a differing one worth little. */
const COARSE_BUCKETS = 64;
const MOST_COARSE_BUCKETS = 1 << 14;
/** Rows of a finer bucket, so that one row in flight costs a look at this many. */
const ROWS_A_BUCKET = 500;
/** Sums held in memory for one table and side. */
const MOST_BUCKETS = 1 << 18;
/** Rows looked at one by one, for one table. */
const MOST_ROWS = 50_000n;

export async function scanTable(sessions: Sessions, sides: Sides, units: readonly string[]): Promise<Scan> {
  const coarse = coarseBuckets(units.length);
  const [source, target] = await onBoth(sessions, sides, (session, side) => buckets(session, side, units, coarse(side)));
  const sums = sumsOf(units, source);
  const differing = differingOf(source, target);
  if (differing.length === 0) return { sums, suspects: [], omitted: new Map() };
  if (differing.reduce((rows, { size }) => rows + size, 0n) <= MOST_ROWS)
    return { sums, suspects: await suspectsIn(sessions, sides, coarse, differing), omitted: new Map() };

  const fine = fineBuckets(differing);
  const [finerSource, finerTarget] = await onBoth(sessions, sides, (session, side) =>
    bucketsWithin(session, side, fine(side), coarse(side), differing),
  );
  const { chosen, omitted } = choose(differingOf(finerSource, finerTarget));
  return { sums, suspects: await suspectsIn(sessions, sides, fine, chosen), omitted };
}

/** SQL for a row's bucket on a side. */
type BucketOf = (side: Side) => string;

function coarseBuckets(units: number): BucketOf {
  let count = COARSE_BUCKETS;
  while (count > 1 && count * units > MOST_COARSE_BUCKETS) count /= 2;
  return (side) => `${side.coarseHash} & ${count - 1}`;
}

/** Enough for the largest of the units, no more than fit for all. */
function fineBuckets(differing: readonly DifferingBucket[]): BucketOf {
  const rows = new Map<string, bigint>();
  for (const { unit, size } of differing) rows.set(unit, (rows.get(unit) ?? 0n) + size);
  const largest = Math.max(...[...rows.values()].map(Number));
  let count = 1;
  while (count < largest / ROWS_A_BUCKET && count * 2 * rows.size <= MOST_BUCKETS) count *= 2;
  return (side) => `${side.keyHash} & ${count - 1}`;
}

export async function onBoth<T>(
  sessions: Sessions,
  sides: Sides,
  ask: (session: Session, side: Side) => Promise<T>,
): Promise<[T, T]> {
  return Promise.all([ask(sessions.source, sides.source), ask(sessions.target, sides.target)]);
}

type Bucket = { readonly unit: string; readonly bucket: string };
type BucketSum = Bucket & { readonly checksum: Checksum };
/** `size`: rows, on the side that has more of them. */
type DifferingBucket = Bucket & { readonly size: bigint };

async function buckets(
  session: Session,
  side: Side,
  units: readonly string[],
  bucket: string,
): Promise<ReadonlyMap<string, BucketSum>> {
  const sums = overParts(
    side,
    units,
    (part) => `${part.unit} AS unit, ${bucket} AS bucket, ${checksumColumns(side.rowHash)}`,
    (part) => ` GROUP BY ${part.units.length > 1 ? `${part.unit}, ` : ""}${bucket}`,
  );
  return byName(await rowsOf(session, sums));
}

/** Sums of finer buckets, over the rows of these coarser ones. */
async function bucketsWithin(
  session: Session,
  side: Side,
  fine: string,
  coarse: string,
  within: readonly Bucket[],
): Promise<ReadonlyMap<string, BucketSum>> {
  const rows = overParts(
    side,
    unitsOf(within),
    (part) => `${part.unit} AS unit, ${coarse} AS bucket, ${fine} AS fine, ${side.rowHash} AS hash`,
  );
  const sums = rows.map((sql) => `SELECT unit, fine AS bucket, ${checksumColumns("hash")} FROM ${inBuckets(sql)} GROUP BY 1, 2`);
  return byName(await rowsOf(session, sums, bucketParams(within)));
}

/** The rows of `sql` whose columns unit and bucket are among {@link bucketParams}. */
function inBuckets(sql: string): string {
  return `(${sql}) AS found JOIN unnest($1::text[], $2::bigint[]) AS wanted(unit, bucket) USING (unit, bucket)`;
}

function bucketParams(wanted: readonly Bucket[]): string[] {
  return [arrayText(wanted.map(({ unit }) => unit)), arrayText(wanted.map(({ bucket }) => bucket))];
}

function unitsOf(of: readonly Bucket[]): string[] {
  return [...new Set(of.map(({ unit }) => unit))];
}

function byName(rows: readonly Row[]): ReadonlyMap<string, BucketSum> {
  return new Map(
    rows.map((row) => {
      const [unit, bucket] = [row["unit"] ?? "", row["bucket"] ?? ""];
      return [`${bucket} ${unit}`, { unit, bucket, checksum: readChecksum(row) }];
    }),
  );
}

function sumsOf(units: readonly string[], of: ReadonlyMap<string, BucketSum>): Map<string, Checksum> {
  const sums = new Map(units.map((unit) => [unit, NO_ROWS]));
  for (const { unit, checksum } of of.values()) sums.set(unit, addChecksums(sums.get(unit) ?? NO_ROWS, checksum));
  return sums;
}

function differingOf(source: ReadonlyMap<string, BucketSum>, target: ReadonlyMap<string, BucketSum>): readonly DifferingBucket[] {
  const differing: DifferingBucket[] = [];
  for (const name of new Set([...source.keys(), ...target.keys()])) {
    const [here, there] = [source.get(name), target.get(name)];
    const bucket = here ?? there;
    if (bucket === undefined || sameChecksum(here?.checksum ?? NO_ROWS, there?.checksum ?? NO_ROWS)) continue;
    differing.push({ ...bucket, size: max(here?.checksum.rows ?? 0n, there?.checksum.rows ?? 0n) });
  }
  return differing;
}

/** As many as may be looked at row by row. */
function choose(differing: readonly DifferingBucket[]): { chosen: Bucket[]; omitted: Map<string, bigint> } {
  const chosen: Bucket[] = [];
  const omitted = new Map<string, bigint>();
  let rows = 0n;
  for (const bucket of differing) {
    if (chosen.length > 0 && rows + bucket.size > MOST_ROWS) {
      omitted.set(bucket.unit, (omitted.get(bucket.unit) ?? 0n) + bucket.size);
    } else {
      rows += bucket.size;
      chosen.push(bucket);
    }
  }
  return { chosen, omitted };
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

async function suspectsIn(
  sessions: Sessions,
  sides: Sides,
  bucketOf: BucketOf,
  chosen: readonly Bucket[],
): Promise<readonly Suspect[]> {
  if (chosen.length === 0) return [];
  const [source, target] = await onBoth(sessions, sides, (session, side) => rowsIn(session, side, bucketOf(side), chosen));
  return [...suspectsOf(source, target)];
}

export type Keyed = { readonly unit: string; readonly key: readonly (string | null)[]; readonly look: NonNullable<Look> };

async function rowsIn(
  session: Session,
  side: Side,
  bucket: string,
  chosen: readonly Bucket[],
): Promise<ReadonlyMap<string, Keyed>> {
  const rows = overParts(
    side,
    unitsOf(chosen),
    (part) => `${part.unit} AS unit, ${keyColumns(side)}, ${bucket} AS bucket, ${lookColumns(side)}`,
  );
  const found = rows.map((sql) => `SELECT found.* FROM ${inBuckets(sql)}`);
  return readKeyed(await rowsOf(session, found, bucketParams(chosen)), side.key.length);
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

/** The rows that are not the same on both sides. */
export function* suspectsOf(source: ReadonlyMap<string, Keyed>, target: ReadonlyMap<string, Keyed>): Iterable<Suspect> {
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
