/** Keeps a copy of what is about to go: a compressed COPY file for each table, and a manifest with their checksums. */

import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { rowsClause, sourceRows } from "../compare/index.ts";
import { failpoint } from "../failpoint.ts";
import { type TableMapping, tableText } from "../model/mapping.ts";
import { ident, qualified } from "../model/sql.ts";
import type { Session } from "../ports.ts";
import { fileName } from "./file-name.ts";
import type { Order } from "./remove.ts";

export type ArchivedTable = {
  readonly table: string;
  readonly file: string;
  readonly columns: readonly string[];
  readonly rows: number;
  readonly bytes: number;
  /** Of the file as it is, compressed. */
  readonly sha256: string;
};

/** Into `directory/<migration>/<tenant>`; all tables in one snapshot. The manifest comes last: without it the archive is not complete. */
export async function archive(
  source: Session,
  of: {
    readonly directory: string;
    readonly migration: string;
    readonly tenant: string;
    readonly order: Order;
    readonly roots: ReadonlySet<string>;
  },
): Promise<readonly ArchivedTable[]> {
  const folder = join(of.directory, fileName(of.migration), fileName(of.tenant));
  await mkdir(folder, { recursive: true });
  await source.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  try {
    const tables: ArchivedTable[] = [];
    for (const table of of.order)
      tables.push(await archiveTable(source, table, of.tenant, folder, of.roots.has(tableText(table.source))));
    const manifest = { formatVersion: 1, migration: of.migration, tenant: of.tenant, at: new Date().toISOString(), tables };
    await failpoint("contract.archive.before");
    await writeFile(join(folder, "manifest.json.part"), `${JSON.stringify(manifest, null, 2)}\n`);
    await rename(join(folder, "manifest.json.part"), join(folder, "manifest.json"));
    return tables;
  } finally {
    await source.query("ROLLBACK").catch(() => undefined);
  }
}

async function archiveTable(
  source: Session,
  table: TableMapping,
  tenant: string,
  folder: string,
  isRoot: boolean,
): Promise<ArchivedTable> {
  const name = tableText(table.source);
  const columns = table.sourceColumns.filter(({ generated }) => !generated).map((column) => column.name);
  const rows = sourceRows(table, {
    relation: qualified(table.source),
    only: !isRoot,
    tenants: table.kind === "tenant" ? [tenant] : undefined,
  });
  const file = `${fileName(name)}.copy.gz`;
  const hash = createHash("sha256");
  let [lines, bytes] = [0, 0];
  // In COPY's text format a newline within a value is escaped, so lines are rows.
  const count = new Transform({
    transform(chunk: Buffer, _, done) {
      for (const byte of chunk) if (byte === 0x0a) lines++;
      done(null, chunk);
    },
  });
  const digest = new Transform({
    transform(chunk: Buffer, _, done) {
      hash.update(chunk);
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  const sql = `COPY (SELECT ${columns.map((column) => `${ident(table.source.table)}.${ident(column)}`).join(", ")} ${rowsClause(rows)}) TO STDOUT`;
  await pipeline(source.copyOut(sql), count, createGzip(), digest, createWriteStream(join(folder, file)));
  return { table: name, file, columns, rows: lines, bytes, sha256: hash.digest("hex") };
}
