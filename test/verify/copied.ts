/** What tests of the whole comparison begin with: a copied move of three tenants, and the comparison of it. */

import { NO_SECRETS, type SecretColumns } from "../../src/evidence/index.ts";
import { type Applied, type VerifyDocument, verify } from "../../src/verify/index.ts";
import { column, type Move, mappingOf, startMove, tenantTable } from "../copying/index.ts";

const ORDERS = [
  column("id", "bigint"),
  column("tenant_id", "integer"),
  column("note", "text"),
  column("at", "timestamp with time zone"),
];
const DEFINITION = "(id bigint PRIMARY KEY, tenant_id int NOT NULL, note text, at timestamptz)";
export const TENANTS = ["1", "2", "3"];
const SOURCE = `CREATE TABLE orders ${DEFINITION};
  INSERT INTO orders SELECT i, 1 + i % 3, 'order ' || i, '2024-01-01Z'::timestamptz + i * interval '1 s' FROM generate_series(1, 9000) AS i`;
const PER_TENANT = TENANTS.map((tenant) => `CREATE SCHEMA t_${tenant}; CREATE TABLE t_${tenant}.orders ${DEFINITION}`).join(";");

/** Three tenants, copied and in-sync. */
export async function copiedMove(template: string | undefined): Promise<Move> {
  const move = await startMove(
    mappingOf([tenantTable("orders", ORDERS)], template),
    SOURCE,
    template === undefined ? `CREATE TABLE public.orders ${DEFINITION}` : PER_TENANT,
  );
  await move.wave(1, TENANTS);
  await move.copy();
  await move.target.query("UPDATE rehouse.tenant SET phase = 'in-sync'");
  return move;
}

export async function compare(
  move: Move,
  tenants?: string[],
  waitForApplied: () => Promise<Applied> = async () => "passed",
  secrets: SecretColumns = NO_SECRETS,
): Promise<VerifyDocument> {
  return verify(
    { migration: "move", mapping: move.mapping, source: move.source, target: move.target, secrets, waitForApplied },
    { tenants },
    AbortSignal.timeout(60_000),
  );
}

export async function run(database: Move["target"], sql: string): Promise<void> {
  const session = await database.connect();
  await session.query(sql);
  await session.close();
}
