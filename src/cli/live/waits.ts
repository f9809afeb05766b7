import { redact } from "../../redact.ts";
import type { StatusDocument } from "../documents.ts";
import type { Style } from "../style.ts";
import { count, duration } from "./numbers.ts";
import { cut, oneLine } from "./width.ts";

/** What processes wait out by themselves: two lines each. */
export function renderWaits({ waits = [] }: StatusDocument, paint: Style, columns: number, now: number): string[] {
  return waits.flatMap(({ role, code, what, since, attempts }) => {
    const tried = attempts === 1 ? "1 attempt" : `${count(attempts)} attempts`;
    const head = cut(`${oneLine(role)} has waited for ${duration(now - Date.parse(since))}, ${tried}: ${code}`, columns);
    return [paint.yellow(head), `  ${cut(oneLine(redact(what)), columns - 2)}`];
  });
}
