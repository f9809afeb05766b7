/**
 * A set of rows as two numbers: how many, and the sum of their hashes. The sum does not depend on order, sees a row that is there
 * twice, and sum(int8) accumulates in 128 bits, so it cannot overflow.
 */
export type Checksum = { readonly rows: bigint; readonly hash: bigint };

export const NO_ROWS: Checksum = { rows: 0n, hash: 0n };

/**
 * The hash of one row, 64 bits, from its columns' hash forms.
 *
 * hash_record_extended() (PG 14) hashes each column with its type's own function, no text in between: 0.44 us a row of
 * 7 columns (see the README), where hashtextextended(ROW(...)::text, 0) takes 1.34 us. It folds columns as 31 * h + hash(column), which is linear: over a
 * sum of rows two rows could swap the values of a column unseen. The outer hashint8extended() ends that. A NULL counts as 0 in the fold, a
 * hash that a value has with a chance of 2^-64.
 */
export function rowHash(forms: readonly string[]): string {
  return `pg_catalog.hashint8extended(pg_catalog.hash_record_extended(ROW(${forms.join(", ")}), 0), 0)`;
}

/** Select list of a {@link Checksum} over rows whose hash is `hash`: columns `rows` and `hash`. */
export function checksumColumns(hash: string): string {
  return `count(*) AS rows, coalesce(sum(${hash}), 0) AS hash`;
}

export function readChecksum(row: Readonly<Record<string, string | null>>): Checksum {
  return { rows: BigInt(row["rows"] ?? "0"), hash: BigInt(row["hash"] ?? "0") };
}

export function addChecksums(a: Checksum, b: Checksum): Checksum {
  return { rows: a.rows + b.rows, hash: a.hash + b.hash };
}

export function sameChecksum(a: Checksum, b: Checksum): boolean {
  return a.rows === b.rows && a.hash === b.hash;
}
