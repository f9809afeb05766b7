/**
 * What each Postgres type needs so that two values are told apart exactly: in a checksum, in a cast, in a binary COPY. A type is named
 * as format_type() prints it. Built-in types print without a schema and no other type can take such a name (pg_catalog is always
 * searched first), so the text alone identifies them.
 */

const LENGTH = String.raw`(?:\(\d+\))?`;
const PRECISION = String.raw`(?:\(\d\))?`;

/** Types whose extended hash function takes every bit of the value and nothing else, on every version and platform. */
const NATIVE = new RegExp(
  `^(?:bigint|integer|smallint|boolean|uuid|date|bytea|oid|time${PRECISION} without time zone|timestamp${PRECISION} (?:without|with) time zone)$`,
);
const TEXT = new RegExp(`^(?:text|character varying${LENGTH})$`);
const NUMERIC = /^numeric(?:\(\d+,-?\d+\))?$/;
/** `character varying(20)`, `character(3)`, `bit(8)`, `bit varying(8)`: an explicit cast to these cuts off what does not fit. */
const CUT_BY_CAST = /^(character varying|character|bit|bit varying)\(\d+\)(\[\])?$/;
/** Types whose send and receive functions have the same format in every supported version, elements of arrays included. */
const BINARY = new RegExp(
  `^(?:bigint|integer|smallint|boolean|uuid|date|bytea|oid|text|character varying${LENGTH}|character${LENGTH}|bpchar|bit varying${LENGTH}|bit${LENGTH}` +
    `|numeric(?:\\(\\d+,-?\\d+\\))?|real|double precision|time${PRECISION} (?:without|with) time zone|timestamp${PRECISION} (?:without|with) time zone` +
    `|interval[a-z ]*${PRECISION}|jsonb?|inet|cidr|macaddr8?)(?:\\[\\])?$`,
);

/** Whether the server encodings agree: the bytes of a text are hashed, and in LATIN1 they are others than in UTF8. */
export type Encodings = "same" | "differ";

/**
 * The form of `value` (SQL of type `type`) that goes into a row's hash: equal if and only if the values have the same text.
 *
 * Most types go in as their text, since their own hash functions follow their `=`: for them 1.0 = 1.00, -0 = 0, '1 month' = '30 days',
 * and an enum hashes its OID, which differs between databases. Fast exceptions: see NATIVE; a numeric's wire format, which holds the
 * trailing zeros (its hash holds neither them nor a difference between NaN and infinity); and `bpchar` without a length, whose cast
 * to text drops the blanks at its end. Collation "C", since hashing under a nondeterministic one makes equal what is alike.
 */
export function hashForm(value: string, type: string, encodings: Encodings): string {
  if (NATIVE.test(type)) return value;
  if (NUMERIC.test(type)) return `pg_catalog.numeric_send(${value})`;
  if (encodings === "differ") return `pg_catalog.convert_to(${textForm(value, type)}, 'UTF8')`;
  return type === "bpchar" ? `pg_catalog.bpcharsend(${value})` : `((${value})::text) COLLATE "C"`;
}

/** The text of `value`, as people see it. `bpchar` without a length is another one for each blank at its end, which its cast to text drops. */
export function textForm(value: string, type: string): string {
  return type === "bpchar" ? `pg_catalog.textin(pg_catalog.bpcharout(${value}))` : `(${value})::text`;
}

/**
 * The type that an expression is cast to on its way to a column of type `type`. Lengths are left out: an explicit cast to varchar(3)
 * cuts a longer text off without a word, while COPY into such a column refuses it. Everything else keeps its modifier, so that
 * numeric(12,2) is rounded before it is hashed.
 */
export function castType(type: string): string {
  const match = CUT_BY_CAST.exec(type);
  if (match === null) return type;
  const [, name = "", array = ""] = match;
  // char(n)[] keeps its length: the blanks that pad its elements are part of the array's text.
  if (name === "character") return array === "" ? "bpchar" : type;
  return `${name === "bit" ? "bit varying" : name}${array}`;
}

/** Whether values that are equal always have the same text. */
export function isExact(type: string): boolean {
  return NATIVE.test(type);
}

/** Whether a value of this type may travel in binary COPY between servers of different versions. */
export function isBinarySafe(type: string): boolean {
  return BINARY.test(type);
}

/** Whether every Postgres has the type. */
export function isBuiltIn(type: string): boolean {
  return NATIVE.test(type) || TEXT.test(type) || NUMERIC.test(type) || BINARY.test(type);
}
