/** CREATE for the extensions and types that target tables need, in schemas of the same names as at the source. */

import type { Catalog, UserType } from "../catalog/index.ts";
import { ident, literal, qualified } from "../model/sql.ts";

export type TypeDdl = { readonly type: UserType; readonly sql: string | undefined };

export function extensionDdl(extension: Catalog["extensions"][number]): string {
  return `CREATE EXTENSION IF NOT EXISTS ${ident(extension.name)} WITH SCHEMA ${ident(extension.schema)}`;
}

/** Undefined when the type cannot be made from the catalog: a base type, or a range with functions of its own. */
export function typeDdl(type: UserType): string | undefined {
  const name = qualified(type.name);
  switch (type.kind) {
    case "enum":
      return `CREATE TYPE ${name} AS ENUM (${type.labels.map(literal).join(", ")})`;
    case "composite":
      return `CREATE TYPE ${name} AS (${type.attributes.map((one) => `${ident(one.name)} ${one.type}${collate(one.collation)}`).join(", ")})`;
    case "domain":
      return [
        `CREATE DOMAIN ${name} AS ${type.base}${collate(type.collation)}`,
        ...(type.default === undefined ? [] : [`DEFAULT ${type.default}`]),
        ...(type.notNull ? ["NOT NULL"] : []),
        ...type.checks
          .filter((check) => !check.definition.endsWith(" NOT VALID"))
          .map((check) => `CONSTRAINT ${ident(check.name)} ${check.definition}`),
      ].join(" ");
    case "range": {
      if (type.hasFunctions) return undefined;
      const options = [`SUBTYPE = ${type.subtype}`];
      if (type.collation !== undefined) options.push(`COLLATION = ${type.collation}`);
      if (type.multirange !== undefined) options.push(`MULTIRANGE_TYPE_NAME = ${qualified(type.multirange)}`);
      return `CREATE TYPE ${name} AS RANGE (${options.join(", ")})`;
    }
    case "other":
      return undefined;
  }
}

function collate(collation: string | undefined): string {
  return collation === undefined ? "" : ` COLLATE ${collation}`;
}
