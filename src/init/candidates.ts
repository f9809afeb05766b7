/** Which column may say whose row it is, the likeliest first. Pure. */

import { findColumn, type Table } from "../catalog/index.ts";
import { tableText } from "../model/mapping.ts";
import { isSameFamily, type Link } from "./links.ts";

export type Candidate = {
  /** The name that it has in most tables. */
  readonly column: string;
  /** Where the tenants themselves are; undefined: no table is for them. */
  readonly root: { readonly table: string; readonly key: string } | undefined;
  /** Tables that say it themselves → the column that does. The root is not among them. */
  readonly holders: ReadonlyMap<string, string>;
  /** How many tables it explains: the root, the holders, and those that have a holder for a parent. */
  readonly reach: number;
  /** Another candidate holds where this one's tenants are, and nearly all that this one holds: users, where there are accounts. */
  readonly isWithin: boolean;
};

const KNOWN_NAME =
  /^(?:tenant|account|org|organi[sz]ation|workspace|company|shop|store|merchant|business)_?(?:id|uuid|key|no|code)?$/i;
/** A column of a known name is believed when it explains this part of all tables; of another name, when it explains that part. */
const ENOUGH = { known: 1 / 4, other: 2 / 3 };
const KNOWN_NAME_WEIGHT = 3;
/** So much of what one candidate holds has to be the other's, too. */
const NEARLY_ALL = 0.8;

/** Only what may be believed. */
export function tenantCandidates(tables: readonly Table[], links: readonly Link[]): Candidate[] {
  const roots = rootsOf(links).map((root) => ofRoot(root, tables, links));
  const named = knownNames(tables)
    .filter((column) => !roots.some((candidate) => candidate.column === column))
    .map((column) => ofName(column, tables, links));
  const believed = [...roots, ...named].filter((candidate) => isBelieved(candidate, tables.length));
  return believed
    .map((candidate) => ({ ...candidate, isWithin: believed.some((other) => other !== candidate && isInside(candidate, other)) }))
    .toSorted((a, b) => Number(a.isWithin) - Number(b.isWithin) || weight(b) - weight(a) || (a.column < b.column ? -1 : 1));
}

/** Tables that have no such column, and a parent that has one or has such a parent itself: table → the link. */
export function throughParents(
  { root, holders }: Pick<Candidate, "root" | "holders">,
  links: readonly Link[],
): ReadonlyMap<string, Link> {
  const reached = new Set([...holders.keys(), ...(root === undefined ? [] : [root.table])]);
  const found = new Map<string, Link>();
  // What refers to the root by one column is a holder; by two, it is open whose row it is. A parent that is sure is better than one that only the
  // names tell of.
  const usable = links
    .filter(({ columns, mayBeNull, parent }) => columns.length === 1 && !mayBeNull && parent !== root?.table)
    .toSorted((a, b) => Number(b.isDeclared) - Number(a.isDeclared));
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    const next = usable.filter(({ table, parent }) => !reached.has(table) && reached.has(parent));
    for (const link of next) if (!found.has(link.table)) found.set(link.table, link);
    for (const { table } of next) reached.add(table);
  }
  return found;
}

type Root = NonNullable<Candidate["root"]>;

function rootsOf(links: readonly Link[]): Root[] {
  const roots = links.flatMap(({ table, parent, columns, parentColumns }): [string, Root][] => {
    const [key] = parentColumns;
    return key === undefined || columns.length > 1 || table === parent
      ? []
      : [[JSON.stringify([parent, key]), { table: parent, key }]];
  });
  return [...new Map(roots).values()];
}

function ofRoot(root: Root, tables: readonly Table[], links: readonly Link[]): Candidate {
  const direct = links.filter(
    ({ table, parent, columns, parentColumns }) =>
      parent === root.table && table !== root.table && columns.length === 1 && parentColumns[0] === root.key,
  );
  const column = mostFrequent(direct.flatMap(({ columns }) => columns));
  const rootTable = tables.find(({ name }) => tableText(name) === root.table);
  const keyType = rootTable === undefined ? "" : (findColumn(rootTable, root.key)?.type ?? "");
  const holders = new Map<string, string>();
  for (const table of tables) {
    const name = tableText(table.name);
    const there = findColumn(table, column);
    const own = new Set(direct.filter((link) => link.table === name).flatMap(({ columns }) => columns));
    const [only, ...more] = own;
    if (name === root.table) continue;
    if (there !== undefined && isSameFamily(there.type, keyType)) holders.set(name, column);
    // Two columns that refer to tenants (from and to) leave open whose row it is.
    else if (only !== undefined && more.length === 0) holders.set(name, only);
  }
  return measured({ column, root, holders }, links);
}

/** No table has that column for its key: it is known by its name alone. */
function ofName(column: string, tables: readonly Table[], links: readonly Link[]): Candidate {
  const holders = new Map<string, string>();
  const type = mostFrequent(tables.flatMap((table) => findColumn(table, column)?.type ?? []));
  for (const table of tables) {
    const there = findColumn(table, column);
    if (there !== undefined && isSameFamily(there.type, type)) holders.set(tableText(table.name), column);
  }
  // A key over several columns may hold it under another name: (region, account_id) refers to (region, id).
  for (const { table, columns, parent, parentColumns } of links) {
    const there = parentColumns[columns.indexOf(column)];
    if (holders.get(table) === column && there !== undefined && !holders.has(parent)) holders.set(parent, there);
  }
  return measured({ column, root: undefined, holders }, links);
}

function measured(candidate: Pick<Candidate, "column" | "root" | "holders">, links: readonly Link[]): Candidate {
  const { root, holders } = candidate;
  const reach = (root === undefined ? 0 : 1) + holders.size + throughParents(candidate, links).size;
  return { ...candidate, reach, isWithin: false };
}

function knownNames(tables: readonly Table[]): string[] {
  return [...new Set(tables.flatMap(({ columns }) => columns.map(({ name }) => name)))].filter((name) => KNOWN_NAME.test(name));
}

function isBelieved({ column, holders, reach }: Candidate, tables: number): boolean {
  if (KNOWN_NAME.test(column)) return holders.size > 0 && reach >= tables * ENOUGH.known;
  return holders.size > 1 && reach >= tables * ENOUGH.other;
}

function weight({ column, holders, reach }: Candidate): number {
  return holders.size + reach + (KNOWN_NAME.test(column) ? KNOWN_NAME_WEIGHT : 0);
}

function isInside(inner: Candidate, outer: Candidate): boolean {
  if (inner.root === undefined || !outer.holders.has(inner.root.table)) return false;
  if (outer.root !== undefined && inner.holders.has(outer.root.table)) return false;
  const both = [...inner.holders.keys()].filter((table) => outer.holders.has(table) || outer.root?.table === table);
  return both.length >= inner.holders.size * NEARLY_ALL;
}

/** The first of those that come most often, by the alphabet. */
function mostFrequent(words: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  const [first] = [...counts].toSorted(
    ([a, x], [b, y]) => y - x || Number(KNOWN_NAME.test(b)) - Number(KNOWN_NAME.test(a)) || (a < b ? -1 : 1),
  );
  return first?.[0] ?? "";
}
