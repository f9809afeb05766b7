import { ask, connect } from "../servers/postgres.ts";

/** The one table of the workload. Its key begins with the tenant, which is thereby in the replica identity. */
export const EVENTS = "events";
export const TENANTS = 100;

const COLUMNS = `
  id bigint NOT NULL,
  tenant_id bigint NOT NULL,
  name text NOT NULL,
  amount numeric(12,2) NOT NULL,
  state text NOT NULL,
  note text NOT NULL,
  at timestamptz NOT NULL`;
const KEY = "PRIMARY KEY (tenant_id, id)";

/** Fills the source: row i has id i + 1 and belongs to tenant 1 + i % 100, so tenants are mixed as in a table that grew in use. */
export async function fill(sourceUrl: string, rows: number): Promise<void> {
  await using client = await connect(sourceUrl);
  await client.query(`CREATE TABLE events (${COLUMNS})`);
  await client.query(
    `INSERT INTO events
     SELECT i + 1, 1 + i % ${TENANTS}, 'event ' || i, (i * 37 % 1000000) / 100.0,
            (ARRAY['new', 'open', 'paid', 'closed'])[1 + i % 4], left(md5(i::text) || md5((i + 1)::text), 60),
            timestamptz '2026-01-01 00:00:00+00' + i * interval '1 second' + i % 1000000 * interval '1 microsecond'
       FROM generate_series(0, $1::bigint - 1) AS i`,
    [rows],
  );
  await client.query(`ALTER TABLE events ADD ${KEY}`);
  await client.query("VACUUM (ANALYZE) events");
}

/** An empty table of the same shape, for a peer to write into. */
export async function createEmpty(url: string): Promise<void> {
  await ask(url, `CREATE TABLE events (${COLUMNS}, ${KEY})`);
}

export type Fingerprint = { rows: string; hash: string };

/** Count and an order-free checksum over the text of every row. */
export async function fingerprint(url: string): Promise<Fingerprint> {
  const [row] = await ask(
    url,
    `SELECT count(*) AS rows, coalesce(sum(hashtextextended(format('%s|%s|%s|%s|%s|%s|%s', id, tenant_id, name, amount, state, note,
            extract(epoch FROM at)), 0)::numeric), 0) AS hash
       FROM events`,
  );
  return { rows: row?.["rows"] ?? "", hash: row?.["hash"] ?? "" };
}

/** A measurement whose two ends are not alike measured nothing. */
export async function assertEqual(sourceUrl: string, copies: Record<string, string>): Promise<void> {
  const source = await fingerprint(sourceUrl);
  for (const [whose, url] of Object.entries(copies)) {
    const copy = await fingerprint(url);
    if (copy.rows !== source.rows || copy.hash !== source.hash) {
      throw new Error(
        `${whose} differs from the source: ${copy.rows} rows with checksum ${copy.hash}, the source has ${source.rows} with ${source.hash}`,
      );
    }
  }
}
