/** What is asked of a table that stays where it is and gets new columns, beside what is asked of any. */

import type { TableMove } from "../mapping/index.ts";
import { tableText } from "../model/mapping.ts";
import { type Finding, warning } from "./finding.ts";

/** What goes with an old column when that is dropped, and nobody makes anew over the new one. */
export function hangsOnOldColumns({ source, mapping }: TableMove): Finding[] {
  const old = mapping.inPlace?.old ?? [];
  const isOver = (columns: readonly (string | undefined)[]) => columns.some((name) => name !== undefined && old.includes(name));
  const names = [
    ...source.indexes.filter(({ columns, include }) => isOver([...columns, ...include])).map(({ name }) => `index ${name}`),
    ...source.foreignKeys.filter(({ columns }) => isOver(columns)).map(({ name }) => `foreign key ${name}`),
  ];
  if (names.length === 0) return [];
  return [
    warning(
      "constraint-left-out",
      `source ${tableText(source.name)}`,
      `${names.join(", ")}: over columns that go (${old.join(", ")}), and not made over the new ones`,
      "before the switch: CREATE INDEX CONCURRENTLY, or ADD CONSTRAINT ... NOT VALID and VALIDATE CONSTRAINT, over the new columns",
    ),
  ];
}
