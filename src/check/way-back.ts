/**
 * Whether tenants could come back: the mapping, the expressions of `reverse`, and what both servers need for it beside what the way there needs
 * anyway. Not asked where the file says `rollback: none`.
 */

import { slotName } from "../capture/index.ts";
import { togetherness } from "../catalog/index.ts";
import { type Resolution, reverseFindings } from "../mapping/index.ts";
import { type TableName, tableText } from "../model/mapping.ts";
import { mirrorName } from "../model/mirror.ts";
import { ident } from "../model/sql.ts";
import type { Finding } from "./finding.ts";
import { warning } from "./finding.ts";
import { lackingOf } from "./privilege.ts";
import { findings } from "./probe.ts";
import { checkRoundTrip } from "./round-trip.ts";
import type { Scope } from "./scope.ts";
import { checkReturnServer, homePrivileges } from "./way-back-servers.ts";
import { tryIntoSource } from "./way-back-sql.ts";

/** `there`: the target tables that are there and that this migration did not make. */
export async function checkWayBack(
  scope: Scope,
  resolution: Resolution,
  there: readonly TableName[],
): Promise<readonly Finding[]> {
  const { file, source, target, signal, begun } = scope;
  if (!file.rollback.possible) return [];
  const mapping = { migration: file.name, schemaTemplate: file.layout.schema };
  const tables = resolution.tables.filter((table) => table.mapping.kind !== "shared");
  const found = await Promise.all([
    findings(`target ${target.place}`, "whether it can stream its changes back", signal, async () =>
      checkReturnServer(target, slotName(mirrorName(file.name)), begun, there, await slotsPromised(scope)),
    ),
    findings(`source ${source.place}`, "whether changes can be written back", signal, async () =>
      lackingOf(
        await homePrivileges(
          source,
          tables.map((table) => table.source),
        ),
      ),
    ),
    ...tables.map((table) =>
      findings(`source ${tableText(table.source.name)}`, "whether its rows come back as they went", signal, async () => {
        const refused = await tryIntoSource(source, table);
        return refused.length > 0 ? refused : checkRoundTrip(source, table);
      }),
    ),
  ]);
  return [...reverseFindings(mapping, resolution.tables), ...tables.flatMap(keysOfTwoHomes), ...found.flat()];
}

/** On one server the way there takes a slot as well, once it has begun. */
async function slotsPromised({ source, target, begun }: Scope): Promise<number> {
  return !begun && (await togetherness(source, target)) !== "apart" ? 1 : 0;
}

/** After the switch both homes hand out numbers. */
function keysOfTwoHomes({ source, mapping }: Resolution["tables"][number]): Finding[] {
  const { tenantColumn, sourceKey } = mapping;
  if (mapping.inPlace !== undefined || tenantColumn === undefined || sourceKey.includes(tenantColumn)) return [];
  const counted = source.columns.find((column) => sourceKey.includes(column.name) && column.sequence !== undefined);
  if (counted === undefined) return [];
  return [
    warning(
      "reverse-key-collides",
      `source ${tableText(source.name)}.${counted.name}`,
      `it is counted by a sequence, and the key (${sourceKey.join(", ")}) does not hold the tenant: after a switch both homes hand out the same numbers, and a row of the new home whose key another tenant has at the source stops the way back`,
      `keep the numbers apart at the switch (ALTER SEQUENCE ... RESTART at the target, far ahead), or make the key (${[tenantColumn, ...sourceKey].map(ident).join(", ")})`,
    ),
  ];
}
