/** All that is asked of the target, and of the two servers together. */

import { type Resolution, resolveMove } from "../mapping/index.ts";
import { tableText, WHOLE_UNIT } from "../model/mapping.ts";
import { type Finding, warning } from "./finding.ts";
import { lackingOf } from "./privilege.ts";
import { findings, probe } from "./probe.ts";
import type { Scope } from "./scope.ts";
import { notOurs, placesOf, type Target } from "./target-places.ts";
import { targetPrivileges } from "./target-privileges.ts";
import { checkOwnTablesEmpty, checkPooledTable } from "./target-rows.ts";
import { checkEncodings, checkTargetServer } from "./target-server.ts";
import { tryAtTarget } from "./target-sql.ts";
import { actsOnRows, checkAlike, checkTargetTable } from "./target-tables.ts";
import { checkVolatility, writtenExpressions } from "./volatile.ts";
import { checkWayBack } from "./way-back.ts";

export async function checkTarget(scope: Scope, tenants: readonly string[]): Promise<Finding[]> {
  const { file, source, target, signal } = scope;
  const place = `target ${target.place}`;
  // A stand-in where no tenant is known, so that everything else is still looked at.
  const units = tenants.length > 0 ? tenants : [file.tenants === undefined ? WHOLE_UNIT : "tenant"];
  const resolved = await probe(place, "what the mapping comes to", signal, () => resolveMove({ file, source, target }, units));
  const resolution = resolved.value;
  if (resolution === undefined) return [...resolved.findings];
  const places = placesOf(file, resolution, units);
  const { there } = places;
  const elsewhere = there.filter(({ table }) => table.mapping.inPlace === undefined);
  const { move } = resolution;
  const found = await Promise.all([
    findings(place, "its settings", signal, () => checkTargetServer(target)),
    findings(place, "its privileges", signal, async () =>
      lackingOf(await targetPrivileges(target, places, actingOn(resolution))),
    ),
    findings(place, "its encoding", signal, () => checkEncodings(source, target)),
    fits(scope, resolution, there),
    scope.begun ? [] : rows(scope, elsewhere, tenants),
    findings(place, "whether expressions keep their value", signal, () =>
      checkVolatility(source, writtenExpressions(resolution.tables, file.rollback.possible)),
    ),
    move === undefined
      ? []
      : findings(place, "what it says of the statements to come", signal, () =>
          tryAtTarget(target, move, units[0] ?? WHOLE_UNIT, file.rollback.possible),
        ),
  ]);
  const wayBack = await checkWayBack(
    scope,
    resolution,
    notOurs(places).map(({ name }) => name),
  );
  return [...resolution.findings, ...partitioned(resolution), ...policiesLeftBehind(resolution), ...found.flat(), ...wayBack];
}

/** What of the tables that are there would act on rows that are written, if triggers cannot be switched off. */
export function actingOn({ tables }: Resolution): string[] {
  return tables.flatMap((table) => (table.model === undefined ? [] : actsOnRows(table.model)));
}

/** Tables that are there, against the mapping and against each other. */
async function fits({ target, signal }: Scope, { tables, existing }: Resolution, there: readonly Target[]): Promise<Finding[]> {
  const found = await Promise.all(
    tables.map(async (table) => {
      const { model } = table;
      if (model === undefined) return [];
      const alike = there.filter((one) => one.table === table && !existing.ours.has(tableText(one.name))).map(({ name }) => name);
      return [
        ...checkTargetTable(table, model, existing.ours.has(tableText(model.name))),
        ...(await findings(`target ${tableText(model.name)}`, "whether the tenants' tables are alike", signal, () =>
          checkAlike(target, model, alike),
        )),
      ];
    }),
  );
  return found.flat();
}

async function rows({ target, signal }: Scope, there: readonly Target[], tenants: readonly string[]): Promise<Finding[]> {
  const tables = there.filter(({ table }) => table.model?.kind === "table" || table.model?.kind === "partitioned table");
  const own = tables.filter(({ pooled }) => !pooled).map(({ name }) => name);
  const found = await Promise.all([
    findings(`target ${target.place}`, "whether its tables are empty", signal, () => checkOwnTablesEmpty(target, own)),
    ...tables
      .filter(({ pooled }) => pooled)
      .map(({ name, table }) =>
        findings(`target ${tableText(name)}`, "whether it has rows of these tenants", signal, () =>
          checkPooledTable(target, table, name, tenants),
        ),
      ),
  ]);
  return found.flat();
}

/** What a policy kept from an application's role would be open to it at the new home. */
function policiesLeftBehind({ tables }: Resolution): Finding[] {
  return tables
    .filter((table) => table.source.rowSecurity !== "off" && table.model === undefined)
    .map((table) =>
      warning(
        "row-security",
        `source ${tableText(table.source.name)}`,
        "row security is on, and its policies do not come along: the table that is made at the target has none",
        "create the policies there, and ALTER TABLE ... ENABLE ROW LEVEL SECURITY, before an application uses it",
      ),
    );
}

function partitioned({ tables }: Resolution): Finding[] {
  return tables
    .filter((table) => table.source.kind === "partitioned table" && table.model === undefined)
    .map((table) =>
      warning(
        "partitioned",
        `source ${tableText(table.source.name)}`,
        "it is partitioned, and becomes one plain table at the target; a TRUNCATE of a single partition, or one that is attached or detached with its rows, is not in the stream",
        "create the target table yourself if it is to be partitioned: it is then used as it is; meanwhile truncate the partitioned table, or DELETE",
      ),
    );
}
