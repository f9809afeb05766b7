/** Draft columns against what is there: a target table that exists, and the types that Postgres infers. */

import { findColumn, type Table } from "../catalog/index.ts";
import { error, type Finding, warning } from "../check/finding.ts";
import { nearest } from "../file/nearest.ts";
import { tableText } from "../model/mapping.ts";
import type { DraftColumn } from "./draft.ts";
import { type Answer, answerKey } from "./expression-types.ts";

export type MovedColumn = DraftColumn & { readonly type: string };

/** Lays the columns over a target table that is there: its order, and what it computes or lacks. */
export function fitToModel(
  columns: readonly DraftColumn[],
  model: Table,
  ours: boolean,
): { columns: DraftColumn[]; findings: Finding[] } {
  const findings: Finding[] = [];
  const fitting = columns.flatMap((column): DraftColumn[] => {
    const there = findColumn(model, column.name);
    const place = `target ${tableText(model.name)}.${column.name}`;
    if (there === undefined) {
      if (ours && !column.explicit) {
        findings.push(
          warning(
            "new-column",
            column.place,
            `${tableText(model.name)} was made before this column was there, and goes on without it`,
            `to carry it: cancel the migration and begin it again`,
          ),
        );
      } else {
        findings.push(
          error(
            "target-column-missing",
            place,
            `${tableText(model.name)} has no column ${column.name}`,
            column.explicit
              ? `add the column to the target table, or take it out of ${column.place}`
              : `add the column to the target table, or write  ${column.like?.name ?? column.name}: false  in the table's columns`,
          ),
        );
      }
      return [];
    }
    if (there.generated === undefined) return [{ ...column, generatedAs: undefined }];
    if (column.explicit && column.like?.generated === undefined && column.plain === undefined) {
      findings.push(
        error(
          "target-column-generated",
          place,
          `the target computes ${column.name} itself`,
          `take ${column.place} out of the file, or make it a plain column at the target`,
        ),
      );
    }
    return [{ ...column, generatedAs: there.generated.expression }];
  });
  const order = new Map(model.columns.map((column, index) => [column.name, index]));
  return { columns: fitting.toSorted((a, b) => (order.get(a.name) ?? 0) - (order.get(b.name) ?? 0)), findings };
}

export function typeColumns(
  columns: readonly DraftColumn[],
  table: Table,
  model: Table | undefined,
  answers: ReadonlyMap<string, Answer>,
): { columns: MovedColumn[]; findings: Finding[] } {
  const findings: Finding[] = [];
  const typed = columns.flatMap((column): MovedColumn[] => {
    const there = model === undefined ? undefined : findColumn(model, column.name)?.type;
    const answer = answers.get(answerKey({ table: table.name, column: column.name }));
    if (answer !== undefined && "refused" in answer) {
      findings.push(
        error("expression-refused", column.place, `${column.expression}: ${answer.refused}`, refusalFix(answer, table)),
      );
      return [];
    }
    const type = there ?? column.like?.type ?? answer?.type;
    return type === undefined ? [] : [{ ...column, type }];
  });
  return { columns: typed, findings };
}

/** `column "totl" does not exist` names the word; Postgres itself only hints at columns of the same case. */
function refusalFix(answer: { readonly refused: string; readonly hint: string | undefined }, table: Table): string {
  const word = /column "?(?:[^".]*\.)?([^".]+)"? does not exist/.exec(answer.refused)?.[1];
  const near =
    word === undefined
      ? undefined
      : nearest(
          word,
          table.columns.map((column) => column.name),
        );
  return near !== undefined
    ? `did you mean ${near}?`
    : (answer.hint ?? "correct the expression; it is SQL over the columns of the source row");
}
