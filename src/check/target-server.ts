/** Whether the target is a server that Rehouse can write to, and what the two servers differ in. */

import { flag, number, text } from "../catalog/fields.ts";
import type { Database, Row } from "../ports.ts";
import { error, type Finding, warning } from "./finding.ts";
import { versionFindings } from "./versions.ts";

export async function checkTargetServer(target: Database): Promise<Finding[]> {
  const [row] = await target.query(`
    SELECT current_setting('server_version_num') AS version,
           pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool AS read_only`);
  if (row === undefined) return [];
  return [...versionFindings("target", target.place, number(row, "version")), ...readOnly(row, `target ${target.place}`)];
}

function readOnly(row: Row, place: string): Finding[] {
  return flag(row, "read_only")
    ? [
        error(
          "target-standby",
          place,
          "the server is a standby, or its transactions are read-only by default",
          "give the primary's address as target",
        ),
      ]
    : [];
}

/** Text sorts, and folds, as its database says; a different one shows in ORDER BY and in indexes, not in the rows. */
export async function checkEncodings(source: Database, target: Database): Promise<Finding[]> {
  const read = async (database: Database) => {
    const [row] = await database.query(`
      SELECT pg_encoding_to_char(d.encoding) AS encoding,
             concat_ws(' ', coalesce(to_jsonb(d) ->> 'datlocprovider', 'c'), d.datcollate, coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale')) AS locale
        FROM pg_database d WHERE d.datname = current_database()`);
    return { encoding: text(row ?? {}, "encoding"), locale: text(row ?? {}, "locale") };
  };
  const [from, to] = await Promise.all([read(source), read(target)]);
  const place = `target ${target.place}`;
  const found: Finding[] = [];
  if (from.encoding !== to.encoding) {
    found.push(
      warning(
        "encoding",
        place,
        `the target's encoding is ${to.encoding}, the source's ${from.encoding}: text that the target cannot hold would be refused`,
        `CREATE DATABASE ... ENCODING '${from.encoding}' TEMPLATE template0;`,
      ),
    );
  }
  if (from.locale !== to.locale) {
    found.push(
      warning(
        "encoding",
        place,
        `the target's collation (${to.locale}) is not the source's (${from.locale}): the same query may sort in another order`,
        "create the target database with the source's locale and provider, if the order matters",
      ),
    );
  }
  return found;
}
