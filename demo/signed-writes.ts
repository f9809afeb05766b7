import { ident } from "../src/model/sql.ts";
import { withClient } from "./client.ts";

/** How often each mark is at the home of its tenant, by plain SQL that owes nothing to the engine: `atTarget` live in a schema of their own. */
export async function countMarks(
  urls: { source: string; target: string },
  atTarget: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  const count = async (url: string, sql: string, params: unknown[]) => {
    const { rows } = await withClient(url, (client) => client.query<{ mark: string }>(sql, params));
    for (const { mark } of rows) counts.set(mark, (counts.get(mark) ?? 0) + 1);
  };
  const marked = "body ~ ' #[0-9a-f-]{36}$'";
  await count(urls.source, `SELECT right(body, 36) AS mark FROM comments WHERE ${marked} AND account_id <> ALL ($1::bigint[])`, [
    atTarget,
  ]);
  for (const tenant of atTarget) {
    await count(urls.target, `SELECT right(body, 36) AS mark FROM ${ident(`tenant_${tenant}`)}.messages WHERE ${marked}`, []);
  }
  return counts;
}
