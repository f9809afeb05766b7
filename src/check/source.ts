/** All that is asked of the source alone. */

import { slotName } from "../capture/index.ts";
import { type Catalog, findColumn, readCatalog } from "../catalog/index.ts";
import type { MigrationFile } from "../file/index.ts";
import { readTenants } from "../mapping/index.ts";
import { tableText } from "../model/mapping.ts";
import { error, type Finding } from "./finding.ts";
import { lackingOf } from "./privilege.ts";
import { findings, probe, STATEMENT_MS } from "./probe.ts";
import type { Scope } from "./scope.ts";
import { sourcePrivileges } from "./source-privileges.ts";
import { checkSourceServer } from "./source-server.ts";
import { checkSourceTable } from "./source-tables.ts";
import { checkListedTenants, checkRowsWithoutTenant, checkTenantNames, checkTenantType, type Holder } from "./tenants.ts";

export type SourceAnswers = {
  readonly findings: readonly Finding[];
  readonly catalog: Catalog | undefined;
  readonly tenants: readonly string[];
};

export async function checkSource(scope: Scope): Promise<SourceAnswers> {
  const { file, source, begun, signal } = scope;
  const slot = slotName(file.name);
  const place = `source ${source.place}`;
  const [server, catalog] = await Promise.all([
    findings(place, "its settings", signal, () => checkSourceServer(source, { slot, begun, failover: file.source.failoverSlot })),
    probe(place, "its tables", signal, () =>
      readCatalog(
        source,
        file.tables.map((spec) => spec.source),
      ),
    ),
  ]);
  if (catalog.value === undefined) return { findings: [...server, ...catalog.findings], catalog: undefined, tenants: [] };
  const { types } = catalog.value;
  const tables = [...catalog.value.tables.values()];
  const holders = holdersOf(file, catalog.value);
  const [privileges, orphans, tenants] = await Promise.all([
    findings(place, "its privileges", signal, async () => lackingOf(await sourcePrivileges(source, tables, slot, begun))),
    Promise.all(
      holders.map((holder) =>
        findings(place, `rows of ${tableText(holder.table.name)} without a tenant`, signal, () =>
          checkRowsWithoutTenant(source, holder, file.tenants?.null ?? "leave"),
        ),
      ),
    ),
    checkTenants(scope, catalog.value, holders),
  ]);
  const columns = new Map(file.tables.map((spec) => [tableText(spec.source), spec.tenantColumn]));
  const fitness = tables.flatMap((table) => checkSourceTable(table, columns.get(tableText(table.name))));
  return {
    findings: [
      ...server,
      ...privileges,
      ...fitness,
      ...holders.flatMap((holder) => checkTenantType(holder, types)),
      ...orphans.flat(),
      ...tenants.findings,
    ],
    catalog: catalog.value,
    tenants: tenants.tenants,
  };
}

function holdersOf(file: MigrationFile, catalog: Catalog): Holder[] {
  return file.tables.flatMap((spec) => {
    const table = catalog.tables.get(tableText(spec.source));
    if (table === undefined || spec.tenantColumn === undefined || findColumn(table, spec.tenantColumn) === undefined) return [];
    return [{ table, column: spec.tenantColumn }];
  });
}

async function checkTenants(
  { file, source, signal }: Scope,
  catalog: Catalog,
  holders: readonly Holder[],
): Promise<Pick<SourceAnswers, "findings" | "tenants">> {
  const move = file.tenants?.move;
  if (move === undefined) return { tenants: [], findings: [] };
  const isQuery = move.kind === "query";
  const place = isQuery ? "tenants.move.query" : `source ${source.place}`;
  const read = await probe(place, "the tenants", signal, () => readTenants(source, file, catalog, STATEMENT_MS));
  if (read.value === undefined) {
    // A query that Postgres refuses names nobody, and that is more than a probe that failed.
    return {
      tenants: [],
      findings: isQuery
        ? read.findings.map((one) => ({ ...error("no-tenants", place, one.what, "correct the query") }))
        : read.findings,
    };
  }
  const tenants = read.value;
  const listed =
    move.kind === "list"
      ? await findings(place, "which tenants there are", signal, () => checkListedTenants(source, tenants, holders))
      : [];
  return { tenants, findings: [...checkTenantNames(file, tenants), ...listed] };
}
