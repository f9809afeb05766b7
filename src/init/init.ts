/** A migration file proposed from a database. */

import { togetherness } from "../catalog/index.ts";
import { RehouseError } from "../errors.ts";
import { tableText } from "../model/mapping.ts";
import type { Database } from "../ports.ts";
import { documentOf, type InitDocument } from "./document.ts";
import { fileText } from "./file-text.ts";
import { type Proposal, propose, type Wish } from "./propose.ts";
import { readTables } from "./read.ts";

export type InitRequest = {
  readonly source: Database;
  /** Asked whether it is the source itself; undefined: not known yet. */
  readonly target: Database | undefined;
  /** A target that is not there yet is taken for another database, unless this throws. */
  readonly onTargetAway: (error: RehouseError) => void;
  /** Of the migration; undefined: after the source's database. */
  readonly name: string | undefined;
  readonly wish: Wish;
};

export type Proposed = {
  readonly proposal: Proposal;
  readonly text: string;
  /** The document of a proposal that was written to `file`. */
  document(file: string | null): InitDocument;
};

/** Changes nothing, anywhere. REHOUSE_USAGE where the source has no table. */
export async function init({ source, target, onTargetAway, name, wish }: InitRequest): Promise<Proposed> {
  const { version, tables } = await readTables(source);
  if (tables.length === 0)
    throw new RehouseError("REHOUSE_USAGE", {
      what: "The source has no table.",
      where: source.place,
      fix: "name the application's database: postgres://user@host/database",
    });
  const proposal = propose(tables, wish);
  requireMoving(proposal, source.place);
  const migration = name ?? nameAfter(source.place);
  const inOneDatabase = target !== undefined && (await isSame(source, target, onTargetAway));
  const text = fileText(proposal, { name: migration, place: source.place, inOneDatabase });
  return { proposal, text, document: (file) => documentOf(proposal, { migration, file, source: source.place, version }) };
}

async function isSame(source: Database, target: Database, onTargetAway: InitRequest["onTargetAway"]): Promise<boolean> {
  try {
    return (await togetherness(source, target)) === "same database";
  } catch (error) {
    if (!(error instanceof RehouseError && error.code === "REHOUSE_UNREACHABLE")) throw error;
    onTargetAway(error);
    return false;
  }
}

/** A file without a table would be none. */
function requireMoving({ tables }: Proposal, place: string): void {
  if (tables.some(({ role }) => role.kind !== "left-out" && role.kind !== "through")) return;
  const reasons = tables.flatMap(({ table, cares }) => cares.map(({ what }) => `${tableText(table.name)}: ${what}`));
  throw new RehouseError("REHOUSE_USAGE", {
    what: `No table of the source can move as it is: ${reasons.slice(0, 3).join("; ")}`,
    where: place,
    fix: "name the application's database, or mend what is said of its tables",
  });
}

/** `move-app` for host:5432/app. */
export function nameAfter(place: string): string {
  const words = place
    .slice(place.lastIndexOf("/") + 1)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-+|-+$/g, "");
  return words === "" ? "move" : `move-${words}`.slice(0, LONGEST_NAME).replace(/-+$/, "");
}

const LONGEST_NAME = 40;
