/** The newest comparison of each table of a tenant. */

import type { Life } from "../../api/types.ts";
import { count, dayAndClock, UNKNOWN, whole } from "../../format.ts";
import { Panel } from "../../parts/Panel.tsx";
import { differencesAt } from "../../shell/routes.ts";

type Props = { readonly comparisons: Life["comparisons"]; readonly tenant: string };

export function Comparisons({ comparisons, tenant }: Props) {
  return (
    <Panel title="Comparisons" beside={<a href={differencesAt({ tenant })}>Rows that differ</a>}>
      {comparisons.length === 0 ? (
        <p class="muted">Nothing of it has been compared yet.</p>
      ) : (
        <div class="scrolls">
          <table class="plain">
            <thead>
              <tr>
                <th scope="col">Table</th>
                <th scope="col" class="number">
                  Rows
                </th>
                <th scope="col" class="number">
                  Differ
                </th>
                <th scope="col" class="number">
                  Compared
                </th>
              </tr>
            </thead>
            <tbody>
              {comparisons.map(({ feed, table, rows, differences, omitted, unsettled, comparedAt, obstacle }) => (
                <tr key={`${feed} ${table}`}>
                  <th scope="row">
                    {table}
                    {feed === "reverse" && <span class="muted"> (feed home)</span>}
                    {obstacle !== null && <p class="bad">{obstacle}</p>}
                  </th>
                  <td class="number">{count(rows)}</td>
                  <td class="number">
                    <Differ differences={differences} omitted={omitted} unsettled={unsettled} />
                  </td>
                  <td class="number">{comparedAt === null ? "never" : dayAndClock(comparedAt)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}

function Differ({ differences, omitted, unsettled }: Pick<Life["comparisons"][number], "differences" | "omitted" | "unsettled">) {
  if (differences === null) return <>{UNKNOWN}</>;
  const all = differences + (omitted ?? 0);
  return (
    <>
      <span class={all > 0 ? "bad" : ""}>{whole(all)}</span>
      {unsettled !== null && unsettled > 0 && <span class="muted"> and {whole(unsettled)} that changed meanwhile</span>}
    </>
  );
}
