import type { Mapping } from "../model/mapping.ts";
import { arrayText } from "../model/sql.ts";
import type { Database } from "../ports.ts";
import type { ServerFacts } from "./columns.ts";
import { isBuiltIn } from "./types.ts";

type TypeFact = { readonly exists: boolean; readonly isEnum: boolean };

/** Asks both servers what the SQL of this mapping depends on. */
export async function readServerFacts(mapping: Mapping, source: Database, target: Database): Promise<ServerFacts> {
  const types = [...new Set(mapping.tables.flatMap((table) => table.columns.map((column) => column.type)))].filter(
    (type) => !isBuiltIn(type),
  );
  const [atSource, atTarget, sourceEncoding, targetEncoding] = await Promise.all([
    typeFacts(source, types),
    typeFacts(target, types),
    serverEncoding(source),
    serverEncoding(target),
  ]);
  return {
    encodings: sourceEncoding === targetEncoding ? "same" : "differ",
    missingAtSource: new Set(types.filter((type) => atSource.get(type)?.exists !== true)),
    enums: new Set(types.filter((type) => atSource.get(type)?.isEnum === true && atTarget.get(type)?.isEnum === true)),
  };
}

async function serverEncoding(database: Database): Promise<string | null | undefined> {
  return (await database.query("SELECT pg_catalog.current_setting('server_encoding') AS encoding"))[0]?.["encoding"];
}

async function typeFacts(database: Database, types: readonly string[]): Promise<Map<string, TypeFact>> {
  if (types.length === 0) return new Map();
  const rows = await database.query(
    `SELECT asked.name, known.oid IS NOT NULL AS exists, coalesce(known.typtype = 'e', false) AS is_enum
       FROM unnest($1::text[]) AS asked(name)
       LEFT JOIN pg_catalog.pg_type AS known ON known.oid = pg_catalog.to_regtype(asked.name)`,
    [arrayText(types)],
  );
  return new Map(rows.map((row) => [row["name"] ?? "", { exists: row["exists"] === "t", isEnum: row["is_enum"] === "t" }]));
}
