/** One row that differs, or did. */

import type { Difference } from "../../api/types.ts";
import { dayAndClock, oneLine, shellWord } from "../../format.ts";
import { Command } from "../../parts/Command.tsx";
import { Name } from "../../parts/Name.tsx";
import { StatusWord } from "../../parts/StatusWord.tsx";
import { tenantAt } from "../../shell/routes.ts";
import { type Cell, cellsOf, keyText } from "./choice.ts";

const KINDS: Readonly<Record<Difference["kind"], string>> = {
  missing: "missing at the target",
  extra: "only at the target",
  different: "different",
};
/** In the feed home the target holds the truth. */
const KINDS_HOME: Readonly<Record<Difference["kind"], string>> = {
  missing: "missing at the source",
  extra: "only at the source",
  different: "different",
};

export function Row({ difference }: { readonly difference: Difference }) {
  const { tenant, table, key, kind, feed, firstSeen, lastSeen, goneAt, repairedBy, foreignWrite } = difference;
  const [left, right] = feed === "forward" ? ["source", "target"] : ["target", "source"];
  return (
    <li class="panel difference">
      <div class="matter-head">
        <StatusWord tone={goneAt === null ? "bad" : "good"}>
          {goneAt === null ? (feed === "forward" ? KINDS : KINDS_HOME)[kind] : "equal again"}
        </StatusWord>
        <b>{oneLine(table)}</b>
        <span class="key">{keyText(key)}</span>
        <span class="muted">of</span>
        <a href={tenantAt(tenant)}>
          <Name text={tenant} />
        </a>
      </div>
      <p class="muted">
        First seen <time dateTime={firstSeen}>{dayAndClock(firstSeen)}</time>, last{" "}
        <time dateTime={lastSeen}>{dayAndClock(lastSeen)}</time>
        {goneAt !== null && (
          <>
            ; equal again since <time dateTime={goneAt}>{dayAndClock(goneAt)}</time>
            {repairedBy === null ? ", by the stream" : `, repaired by ${repairedBy}`}
          </>
        )}
      </p>
      {foreignWrite !== null && (
        <p>
          Somebody else wrote it: {foreignWrite.operation} by {oneLine(foreignWrite.role)}
          {foreignWrite.application !== null && ` (${oneLine(foreignWrite.application)})`}
          {foreignWrite.client !== null && ` from ${foreignWrite.client}`}, {dayAndClock(foreignWrite.at)}
        </p>
      )}
      <div class="scrolls">
        <table class="plain images">
          <thead>
            <tr>
              <th scope="col">Column</th>
              <th scope="col">At the {left}</th>
              <th scope="col">At the {right}</th>
            </tr>
          </thead>
          <tbody>
            {cellsOf(difference).map((cell) => (
              <Line key={cell.column} cell={cell} />
            ))}
          </tbody>
        </table>
      </div>
      {goneAt === null && <Command text={`rehouse verify --tenant ${shellWord(tenant)} --repair`} />}
    </li>
  );
}

function Line({ cell: { column, isKey, isChanged, source, target } }: { readonly cell: Cell }) {
  return (
    <tr class={isChanged ? "is-changed" : ""}>
      <th scope="row">
        {oneLine(column)}
        {isKey && <span class="muted"> key</span>}
        {isChanged && (
          <>
            {" "}
            <StatusWord tone="warn">differs</StatusWord>
          </>
        )}
      </th>
      <Value value={source} />
      <Value value={target} />
    </tr>
  );
}

/** As the API gives it: long ones are cut off there, and secret ones are hashes. */
function Value({ value }: { readonly value: Cell["source"] }) {
  if (value === undefined) return <td class="muted">no row</td>;
  if (value === null) return <td class="muted">NULL</td>;
  if (value === "") return <td class="muted">empty</td>;
  return (
    <td>
      <bdi class="value-text">{printableLines(value)}</bdi>
    </td>
  );
}

/** A value keeps its line breaks; what would turn the text around it is shown as a dot. */
function printableLines(value: string): string {
  return value.split("\n").map(oneLine).join("\n");
}
