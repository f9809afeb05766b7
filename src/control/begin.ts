/** What has to be there before any role can work: the state tables, the migration's row, its units and their lanes. Idempotent. */

import { MAIN_LANE } from "../apply/index.ts";
import { partitionOf, tenantPartitions, topicPartitions } from "../capture/partition.ts";
import { RehouseError } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import type { MigrationFile } from "../file/index.ts";
import { type Mapping, SHARED_UNIT, WHOLE_UNIT } from "../model/mapping.ts";
import { arrayText } from "../model/sql.ts";
import type { Database, Session } from "../ports.ts";
import { installState } from "./install.ts";
import { journal, journalEach } from "./journal.ts";

/** Whether this migration has begun on this target. */
export async function hasBegun(target: Database, migration: string): Promise<boolean> {
  const [installed] = await target.query("SELECT to_regclass('rehouse.migration') IS NOT NULL AS there");
  if (installed?.["there"] !== "t") return false;
  return (await target.query("SELECT FROM rehouse.migration WHERE name = $1", [migration])).length > 0;
}

/** What of the migration file is written down at the beginning. */
type Begun = Pick<MigrationFile, "name" | "digest"> & { readonly kafka: Pick<MigrationFile["kafka"], "partitions"> };

export type Beginning = {
  readonly file: Begun;
  readonly mapping: Mapping;
  readonly target: Database;
  readonly stateSql: string;
  readonly version: string;
};

/** Resolves to the number of partitions that tenants are spread over. */
export async function begin({ file, mapping, target, stateSql, version }: Beginning): Promise<number> {
  await installState(target, stateSql);
  await failpoint("begin.before");
  return target.transaction(async (session) => {
    const partitions = tenantPartitions(mapping, file.kafka.partitions);
    const inserted = await session.query(
      `INSERT INTO rehouse.migration (name, digest, partitions, version) VALUES ($1, $2, $3, $4)
       ON CONFLICT (name) DO NOTHING RETURNING name`,
      [file.name, file.digest, String(partitions), version],
    );
    if (inserted.length > 0) await journal(session, file.name, "begun", { version, digest: file.digest });
    else await assertUnchanged(session, file);
    const [row] = await session.query("SELECT partitions FROM rehouse.migration WHERE name = $1", [file.name]);
    const made = Number(row?.["partitions"]);
    await session.query(
      `INSERT INTO rehouse.lane (migration, partition, lane, next_offset)
       SELECT $1, partition, '${MAIN_LANE}', 0 FROM generate_series(0, $2::int - 1) AS partition ON CONFLICT DO NOTHING`,
      [file.name, String(topicPartitions(mapping, made))],
    );
    return made;
  });
}

/** REHOUSE_MIGRATION_CHANGED when the migration has begun with another file, or is being cancelled. */
export async function requireUnchanged(target: Database, file: Omit<Begun, "kafka">): Promise<void> {
  if (await hasBegun(target, file.name)) await target.transaction((session) => assertUnchanged(session, file));
}

async function assertUnchanged(session: Session, file: Omit<Begun, "kafka">): Promise<void> {
  const [row] = await session.query("SELECT digest, state FROM rehouse.migration WHERE name = $1 FOR UPDATE", [file.name]);
  if (row?.["state"] === "cancelling") {
    throw new RehouseError("REHOUSE_MIGRATION_CHANGED", {
      what: `the migration ${file.name} is being cancelled`,
      fix: "finish it with `rehouse cancel`, then begin again",
    });
  }
  if (row?.["digest"] === file.digest) return;
  throw new RehouseError("REHOUSE_MIGRATION_CHANGED", {
    what: `the file no longer says what the migration ${file.name} was begun with (tables, columns, layout or tenants differ)`,
    where: "rehouse.migration.digest at the target",
    fix: "put the file back as it was, or `rehouse cancel` and begin again, or give the new file another migration name",
  });
}

/** Adds the units that are not there yet, in phase `planned`. Resolves to the new ones. */
export async function registerUnits(
  target: Database,
  mapping: Mapping,
  tenants: readonly string[],
  partitions: number,
): Promise<string[]> {
  const units = unitsOf(mapping, tenants, partitions);
  return target.transaction(async (session) => {
    const rows = await session.query(
      `INSERT INTO rehouse.tenant (migration, tenant, kind, partition)
       SELECT $1, unnest($2::text[]), unnest($3::text[]), unnest($4::int[]) ON CONFLICT DO NOTHING RETURNING tenant`,
      [
        mapping.migration,
        arrayText(units.map((unit) => unit.tenant)),
        arrayText(units.map((unit) => unit.kind)),
        arrayText(units.map((unit) => String(unit.partition))),
      ],
    );
    const added = rows.map((row) => row["tenant"] ?? "");
    if (added.length > 0) await journalEach(session, mapping.migration, arrayText(added), "planned");
    return added;
  });
}

type Unit = { readonly tenant: string; readonly kind: "tenant" | "shared" | "whole"; readonly partition: number };

function unitsOf(mapping: Mapping, tenants: readonly string[], partitions: number): Unit[] {
  if (mapping.tables.some((table) => table.kind === "whole")) {
    return [{ tenant: WHOLE_UNIT, kind: "whole", partition: partitionOf({ kind: "whole" }, partitions) }];
  }
  const shared: Unit[] = mapping.tables.some((table) => table.kind === "shared")
    ? [{ tenant: SHARED_UNIT, kind: "shared", partition: partitionOf({ kind: "shared" }, partitions) }]
    : [];
  return [
    ...shared,
    ...tenants.map(
      (tenant): Unit => ({ tenant, kind: "tenant", partition: partitionOf({ kind: "tenant", tenant }, partitions) }),
    ),
  ];
}
