/**
 * Which columns of the target say the same thing. A title and a summary that is made of it have to be written together, or the sides differ once the
 * tenant is back: what an application does that knows its tables, a client has to be told that does not. Pure.
 */

import type { TargetColumn } from "../model/mapping.ts";

type Mapped = Pick<TargetColumn, "name" | "uses">;

/**
 * Target columns that hang together by what they are made of, or what is made of them on the way `home` (source columns over those of the target).
 * A group of which something does not come home is left out.
 */
export function groupsOf(columns: readonly Mapped[], home: readonly Mapped[]): string[][] {
  const isHome = new Set(home.map(({ name }) => name));
  const left = new Set(columns.map(({ name }) => name));
  const groups: string[][] = [];
  for (const { name } of columns) {
    if (!left.has(name)) continue;
    const { targets, sources } = reach(name, columns, home);
    for (const one of targets) left.delete(one);
    if ([...sources].every((source) => isHome.has(source))) groups.push([...targets]);
  }
  return groups;
}

/** Whether everything that a row of the target is made of comes home. */
export function comesHome(columns: readonly Mapped[], home: readonly Mapped[]): boolean {
  const isHome = new Set(home.map(({ name }) => name));
  return columns.every(({ uses }) => uses.every((source) => isHome.has(source)));
}

function reach(
  start: string,
  columns: readonly Mapped[],
  home: readonly Mapped[],
): { readonly targets: ReadonlySet<string>; readonly sources: ReadonlySet<string> } {
  const targets = new Set([start]);
  const sources = new Set<string>();
  for (let before = 0; before < targets.size + sources.size; ) {
    before = targets.size + sources.size;
    join(columns, targets, sources);
    join(home, sources, targets);
  }
  return { targets, sources };
}

/** Adds to both what is made of one that is in the other, and what one is made of. */
function join(mapped: readonly Mapped[], made: Set<string>, used: Set<string>): void {
  for (const { name, uses } of mapped) {
    if (!made.has(name) && !uses.some((one) => used.has(one))) continue;
    made.add(name);
    for (const one of uses) used.add(one);
  }
}
