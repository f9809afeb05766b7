/** Rows as people see them: column by column, as text, from both sides. */

import type { Secrets } from "../evidence/index.ts";
import { foreignWritesTo } from "../foreign/index.ts";
import type { Row } from "../ports.ts";
import { type Difference, type Image, MOST_DIFFERENCES } from "./document.ts";
import { keyParams, nameOf, onBoth, type Sessions } from "./scan.ts";
import type { SettledSuspect } from "./settle.ts";
import type { Side, Sides } from "./side.ts";

/** Characters of a value that are shown. */
const MOST_TEXT = 2000;
/** Few, since rows may be large and come whole: where a value differs behind what is shown, its column still counts. */
const KEYS_A_STATEMENT = 20;

/** What of the rows of one source table (schema.table) may be shown. */
export type Shown = { readonly migration: string; readonly secrets: Secrets; readonly table: string };

/** Differences of one unit's table, at most {@link MOST_DIFFERENCES}. */
export async function describe(
  sessions: Sessions,
  sides: Sides,
  unit: string,
  suspects: readonly SettledSuspect[],
  shown: Shown,
): Promise<Difference[]> {
  const differences: Difference[] = [];
  const listed = suspects.slice(0, MOST_DIFFERENCES);
  for (let from = 0; from < listed.length; from += KEYS_A_STATEMENT) {
    const some = listed.slice(from, from + KEYS_A_STATEMENT);
    const keys = some.map((suspect) => suspect.key);
    const [source, target] = await onBoth(sessions, sides, async (session, side) =>
      imagesOf(await session.query(imageSql(side, unit), keyParams(side, keys)), side, unit),
    );
    const writes = await foreignWritesTo(sessions.target, { ...shown, tenant: unit }, keys);
    for (const [index, suspect] of some.entries()) {
      const name = nameOf(unit, suspect.key);
      const found = difference(sides.key, source.get(name), target.get(name), suspect, shown);
      differences.push({ ...found, foreignWrite: writes.get(index) ?? null });
    }
  }
  return differences;
}

function imageSql(side: Side, unit: string): string {
  const keys = side.key.map((sql, index) => `${sql} AS key_${index}`);
  const texts = side.texts.map(({ sql }, index) => `${sql} AS text_${index}`);
  return side
    .parts([unit])
    .map(
      (part) =>
        `SELECT ${[...keys, ...texts].join(", ")} FROM ${part.rows.from} WHERE ${[...part.rows.where, side.hasKey(1)].join(" AND ")}`,
    )
    .join(" UNION ALL ");
}

function imagesOf(rows: readonly Row[], side: Side, unit: string): Map<string, Image> {
  return new Map(
    rows.map((row) => {
      const key = side.key.map((_, index) => row[`key_${index}`] ?? null);
      return [nameOf(unit, key), Object.fromEntries(side.texts.map(({ name }, index) => [name, row[`text_${index}`] ?? null]))];
    }),
  );
}

function difference(
  key: readonly string[],
  source: Image | undefined,
  target: Image | undefined,
  suspect: SettledSuspect,
  shown: Shown,
): Omit<Difference, "foreignWrite"> {
  const image = target ?? source;
  const columns =
    source === undefined || target === undefined ? [] : Object.keys(source).filter((name) => source[name] !== target[name]);
  // The row may have changed or gone between the last look and this one; what was found then is what is reported.
  const kind = suspect.target === undefined ? "missing" : suspect.source === undefined ? "extra" : "different";
  return {
    id: shown.secrets.idOf(shown.table, suspect.key),
    key: masked(Object.fromEntries(key.map((name, index) => [name, image?.[name] ?? suspect.key[index] ?? null])), shown),
    kind,
    columns,
    source: source === undefined ? null : shortened(masked(source, shown)),
    target: target === undefined ? null : shortened(masked(target, shown)),
    settled: suspect.verdict === "differs",
    repaired: false,
  };
}

function masked(image: Image, { secrets, table }: Shown): Image {
  return Object.fromEntries(Object.entries(image).map(([name, text]) => [name, secrets.shown(table, name, text)]));
}

const HALF_CHARACTER = /[\uD800-\uDBFF]$/;

/** What the target's state tables can hold whatever its encoding: half a character, or an ellipsis, could not be stored. */
function shortened(image: Image): Image {
  const cut = (text: string | null) =>
    text === null || text.length <= MOST_TEXT
      ? text
      : `${text.slice(0, MOST_TEXT).replace(HALF_CHARACTER, "")}... (${text.length} characters)`;
  return Object.fromEntries(Object.entries(image).map(([name, text]) => [name, cut(text)]));
}
