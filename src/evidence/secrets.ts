/**
 * Values that nobody is to read: the columns that the file marks as secret. Wherever a row is shown or kept as evidence they stand as
 * `sha256:` and an HMAC under a salt of the migration, so that equal values of a column are seen to be equal, and a list of likely
 * values tells nothing without the salt. NULL stays NULL.
 */

import { createHmac } from "node:crypto";
import type { MigrationFile } from "../file/index.ts";
import { type Mapping, tableText } from "../model/mapping.ts";
import type { Session } from "../ports.ts";

/** schema.table at the source → target columns. */
export type SecretColumns = ReadonlyMap<string, ReadonlySet<string>>;

export const NO_SECRETS: SecretColumns = new Map();

/** The target columns that are marked themselves, or are made of a source column that is. */
export function secretColumns(file: Pick<MigrationFile, "tables">, mapping: Mapping): SecretColumns {
  const marked = new Map(file.tables.map((spec) => [tableText(spec.source), new Set(spec.secret)]));
  return new Map(
    mapping.tables.map((table) => {
      const names = marked.get(tableText(table.source)) ?? new Set();
      const secret = table.columns.filter((column) => names.has(column.name) || column.uses.some((used) => names.has(used)));
      return [tableText(table.source), new Set(secret.map((column) => column.name))];
    }),
  );
}

export class Secrets {
  readonly #salt: string;
  readonly #columns: SecretColumns;

  constructor(salt: string, columns: SecretColumns) {
    this.#salt = salt;
    this.#columns = columns;
  }

  /** With the migration's own salt. */
  static async of(target: Pick<Session, "query">, migration: string, columns: SecretColumns): Promise<Secrets> {
    const [row] = await target.query("SELECT evidence_salt FROM rehouse.migration WHERE name = $1", [migration]);
    return new Secrets(row?.["evidence_salt"] ?? "", columns);
  }

  isSecret(table: string, column: string): boolean {
    return this.#columns.get(table)?.has(column) === true;
  }

  /** Whether the table has any: then what a server says of its values is not shown, either. */
  hasSecrets(table: string): boolean {
    return (this.#columns.get(table)?.size ?? 0) > 0;
  }

  /** The value as it may be shown. */
  shown(table: string, column: string, value: string | null): string | null {
    if (value === null || !this.isSecret(table, column)) return value;
    return `sha256:${this.#hmac(JSON.stringify([table, column, value]))}`;
  }

  /** What names a row for as long as it is spoken of, and says nothing about its key. */
  idOf(table: string, key: readonly (string | null)[]): string {
    return this.#hmac(JSON.stringify([table, ...key])).slice(0, 32);
  }

  #hmac(text: string): string {
    return createHmac("sha256", this.#salt).update(text).digest("hex");
  }
}
