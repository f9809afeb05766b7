/**
 * Which change of a column's type lets its values pass as they are: where the text that the stream carries means the same under the type that
 * the mapping was made for, or is refused there. Pure.
 */

import { castType } from "./types.ts";

const WHOLE = new Set(["smallint", "integer", "bigint"]);
const TEXTUAL = /^(?:text|character varying(?:\(\d+\))?)$/;
const NUMERIC = /^numeric(?:\(\d+,(-?\d+)\))?$/;
const TIMED = /^(timestamp|time)(?:\((\d)\))? (with(?:out)? time zone)$/;

/**
 * Whether a text of type `from` may be read as type `to`. What is too large or too long for it is refused; excluded is what would be
 * rounded, cut or printed in another way.
 */
export function passesAs(from: string, to: string): boolean {
  if (from === to) return true;
  if (isWholeNumber(from) && isWholeNumber(to)) return true;
  if (TEXTUAL.test(from) && TEXTUAL.test(to)) return true;
  return samePrecision(from, to);
}

function isWholeNumber(type: string): boolean {
  return WHOLE.has(type) || type === "numeric" || NUMERIC.exec(type)?.[1] === "0";
}

/** numeric(8,2) and numeric(10,2) print alike, and anything prints under numeric as it came; so do times that lose no digits. */
function samePrecision(from: string, to: string): boolean {
  const numerics = [NUMERIC.exec(from), NUMERIC.exec(to)];
  if (numerics[0] != null && numerics[1] != null) return numerics[1][1] === undefined || numerics[0][1] === numerics[1][1];
  const [a, b] = [TIMED.exec(from), TIMED.exec(to)];
  if (a === null || b === null || a[1] !== b[1] || a[3] !== b[3]) return false;
  return b[2] === undefined || (a[2] !== undefined && Number(a[2]) <= Number(b[2]));
}

/**
 * The type as which a value of the stream is taken in where nothing is computed from it: it holds whatever {@link passesAs} lets pass, so that
 * the target column alone decides.
 */
export function intakeType(type: string): string {
  if (WHOLE.has(type)) return "bigint";
  return NUMERIC.test(type) ? "numeric" : castType(type);
}
