/** The report: one page with all that it needs in it, for an auditor to read, print and keep. */

import type { KeptDifference, Pass, ReportData } from "./data.ts";
import { type Html, html } from "./html.ts";
import { STYLE } from "./style.ts";

export function page(data: ReportData): string {
  const { migration, document } = data;
  const title = `${migration}: both sides compared`;
  const whole = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>${migration}</h1>
<p class="verdict ${document.equal ? "good" : "bad"}">${
    document.equal ? "Both sides are equal." : "The sides are not equal, or not all was compared."
  }</p>
</header>
<main>
${facts(data)}
${compared(data)}
${notCompared(data)}
${differences(data)}
${kept(data.kept)}
${history(data.passes)}
</main>
<footer><p>A row in flight is not a difference: one that differs is looked at again when everything that the source had committed is
applied, until it has held still on both sides. A hash is the sum of 64-bit hashes of the rows, each over all columns as the target has
them. Values that begin with sha256: are secret; equal ones of a column are equal.</p></footer>
</body>
</html>
`;
  return whole.text;
}

function facts(data: ReportData): Html {
  const { document } = data;
  const tables = document.tenants.flatMap((tenant) => tenant.tables);
  const rows: [string, string][] = [
    ["Compared at", data.madeAt],
    ["Rows", count(tables.reduce((sum, table) => sum + table.rows, 0))],
    ["Tenants", count(document.tenants.length)],
    ["Source", `${data.source}, Postgres ${data.sourceVersion}`],
    ["Target", `${data.target}, Postgres ${data.targetVersion}`],
    ["Migration begun at", data.begunAt],
    ["Digest of its file", data.digest],
    ["Rehouse", data.version],
  ];
  return html`<section><table class="facts"><tbody>
${rows.map(([name, value]) => html`<tr><th scope="row">${name}</th><td>${value}</td></tr>\n`)}</tbody></table></section>`;
}

function compared({ document }: ReportData): Html {
  const lines = document.tenants.flatMap(({ tenant, phase, tables }) =>
    tables.map((table) => {
      const open = table.differences.filter(({ repaired }) => !repaired).length + table.omitted;
      const repaired = table.differences.length + table.omitted - open;
      const verdict = [
        ...(open > 0 ? [`${count(open)} differ`] : []),
        ...(table.unsettled > 0 ? [`${count(table.unsettled)} changed at every look`] : []),
        ...(repaired > 0 ? [`${count(repaired)} repaired`] : []),
      ];
      return html`<tr><td>${tenant}</td><td>${table.table}</td><td>${phase}</td><td class="number">${count(table.rows)}</td><td class="code">${table.hash}</td><td class="code">${table.position}</td><td class="${
        open + table.unsettled === 0 ? "good" : "bad"
      }">${verdict.length === 0 ? "equal" : verdict.join(", ")}</td></tr>\n`;
    }),
  );
  return section(
    "What was compared",
    ["tenant", "table", "phase", "rows", "hash", "position", "result"],
    lines,
    "Nothing was compared.",
  );
}

function notCompared({ document, obstacles }: ReportData): Html {
  const tenants = document.tenants
    .filter(({ tables }) => tables.length === 0)
    .map(({ tenant, phase }) => html`<tr><td>${tenant}</td><td>all</td><td>it is ${phase}: not on both sides</td></tr>\n`);
  const rows = document.tenants.flatMap(({ tenant, tables }) =>
    tables
      .filter(({ unsettled, omitted }) => unsettled + omitted > 0)
      .map(
        ({ table, unsettled, omitted }) =>
          html`<tr><td>${tenant}</td><td>${table}</td><td>${count(unsettled)} rows that changed at every look, ${count(omitted)} that differ and were not looked at one by one</td></tr>\n`,
      ),
  );
  const units = obstacles.map(
    ({ table, tenant, why }) => html`<tr><td>${tenant}</td><td>${table}</td><td>by the endless comparison: ${why}</td></tr>\n`,
  );
  return section(
    "What was not compared, and why",
    ["tenant", "table", "why"],
    [...tenants, ...rows, ...units],
    "Everything was compared.",
  );
}

function differences({ document }: ReportData): Html {
  const found = document.tenants.flatMap(({ tenant, tables }) =>
    tables.flatMap((table) =>
      table.differences.map(
        ({ key, kind, columns, source, target, settled, repaired }) =>
          html`<tr><td>${tenant}</td><td>${table.table}</td><td class="code">${named(key)}</td><td>${kind}${
            repaired ? ", repaired" : settled ? "" : ", or still on its way"
          }</td><td>${images(columns, source, target)}</td></tr>\n`,
      ),
    ),
  );
  return section("Differences found now", ["tenant", "table", "key", "kind", "source → target"], found, "None.");
}

function kept(all: readonly KeptDifference[]): Html {
  const lines = all.map(
    ({ tenant, table, key, kind, columns, source, target, position, firstSeen, lastSeen, goneAt, repairedBy }) =>
      html`<tr><td>${tenant}</td><td>${table}</td><td class="code">${named(key)}</td><td>${kind}</td><td>${images(columns, source, target)}</td><td>${firstSeen}</td><td>${lastSeen}<br><span class="code">${position}</span></td><td class="${
        goneAt === null ? "bad" : "good"
      }">${goneAt === null ? "still there" : `${goneAt}, ${repairedBy === null ? "by the stream" : `repaired by ${repairedBy}`}`}</td></tr>\n`,
  );
  const heads = ["tenant", "table", "key", "kind", "source → target", "first seen", "last seen", "gone"];
  return section("Differences seen so far, newest first", heads, lines, "None.");
}

function history(passes: readonly Pass[]): Html {
  const lines = passes.map(
    ({ at, tenant, table, by, rows, hash, differences, unsettled, omitted, position }) =>
      html`<tr><td>${at}</td><td>${by}</td><td>${tenant}</td><td>${table}</td><td class="number">${count(Number(rows))}</td><td class="code">${hash}</td><td class="code">${position}</td><td class="${
        Number(differences) + Number(unsettled) + Number(omitted) === 0 ? "good" : "bad"
      }">${
        Number(differences) + Number(unsettled) + Number(omitted) === 0
          ? "equal"
          : `${differences} differ, ${unsettled} in flight, ${omitted} not looked at`
      }</td></tr>\n`,
  );
  return section(
    "Comparisons so far, newest first",
    ["at", "by", "tenant", "table", "rows", "hash", "position", "result"],
    lines,
    "None.",
  );
}

function section(title: string, heads: readonly string[], lines: readonly Html[], none: string): Html {
  if (lines.length === 0) return html`<section><h2>${title}</h2><p>${none}</p></section>`;
  return html`<section><h2>${title}</h2><div class="wide"><table><thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead><tbody>
${lines}</tbody></table></div></section>`;
}

type Image = Readonly<Record<string, string | null>>;

function named(image: Image): Html {
  return html`${Object.entries(image).map(([column, value], index) => html`${index === 0 ? "" : ", "}${column} = ${shown(value)}`)}`;
}

/** The columns that differ with both values; of a row that is on one side only, that side's. */
function images(columns: readonly string[], source: Image | null, target: Image | null): Html {
  if (source !== null && target !== null) {
    return html`<dl>${columns.map((column) => html`<dt>${column}</dt><dd>${shown(source[column] ?? null)} → ${shown(target[column] ?? null)}</dd>`)}</dl>${whole("source", source)}${whole("target", target)}`;
  }
  const [side, image] = source === null ? (["target", target] as const) : (["source", source] as const);
  return image === null ? html`on neither side any more` : html`only at the ${side}${whole(side, image)}`;
}

function whole(side: string, image: Image): Html {
  return html`<details><summary>${side}</summary><dl>${Object.entries(image).map(([column, value]) => html`<dt>${column}</dt><dd>${shown(value)}</dd>`)}</dl></details>`;
}

/** NULL is told from the text NULL, and an empty text from nothing. */
function shown(value: string | null): Html {
  return value === null ? html`<i>NULL</i>` : html`<q>${value}</q>`;
}

function count(number: number): string {
  return number.toLocaleString("en");
}
