import type { Client } from "pg";

/**
 * What one client knows of an account. Lists that it takes from and adds to are its own: two clients never work on the same task, so
 * that each finds its rows as it left them.
 */
export type KnownRows = {
  readonly account: string;
  /** How often this account is chosen, against the others. */
  readonly weight: number;
  readonly users: string[];
  readonly projects: string[];
  readonly members: { project: string; user: string }[];
  readonly tasks: string[];
  /** Those with a description stored out of line. */
  readonly longTasks: string[];
  /** Made by this client, not commented on by anyone. */
  readonly drafts: string[];
  readonly invoices: string[];
};

/** Enough to choose from; the largest account has tens of thousands. */
const SAMPLE = 400;

/** What each of so many clients knows, one list of accounts per client. */
export async function readKnownRows(client: Client, clients: number): Promise<KnownRows[][]> {
  const users = await sample(client, "users", "id");
  const projects = await sample(client, "projects", "id");
  const members = await sample(client, "project_members", "project_id || ' ' || user_id");
  const tasks = await sample(client, "tasks", "id", "octet_length(description) < 4000");
  const longTasks = await sample(client, "tasks", "id", "octet_length(description) >= 4000");
  const invoices = await sample(client, "invoices", "id");
  const { rows } = await client.query<{ id: string; tasks: string }>(
    "SELECT id, (SELECT count(*) FROM tasks WHERE account_id = accounts.id) AS tasks FROM accounts ORDER BY id",
  );
  return Array.from({ length: clients }, (_, own) => {
    const share = (of: Map<string, string[]>, account: string) =>
      (of.get(account) ?? []).filter((_row, index) => index % clients === own);
    return rows.map(({ id: account, tasks: size }) => ({
      account,
      // The root: the small ones get their part, too.
      weight: Math.sqrt(Number(size)),
      users: [...(users.get(account) ?? [])],
      projects: [...(projects.get(account) ?? [])],
      members: share(members, account).map((pair) => {
        const [project = "", user = ""] = pair.split(" ");
        return { project, user };
      }),
      tasks: share(tasks, account),
      longTasks: share(longTasks, account),
      drafts: [],
      invoices: share(invoices, account),
    }));
  });
}

async function sample(client: Client, table: string, key: string, condition = "true"): Promise<Map<string, string[]>> {
  const { rows } = await client.query<{ account: string; keys: string[] }>(`
    SELECT account_id::text AS account, array_agg(key ORDER BY key) AS keys
      FROM (SELECT account_id, (${key})::text AS key, row_number() OVER (PARTITION BY account_id ORDER BY ${key}) AS n FROM ${table} WHERE ${condition}) AS numbered
     WHERE n <= ${SAMPLE}
     GROUP BY 1`);
  return new Map(rows.map(({ account, keys }) => [account, keys]));
}
