import type { KnownRows } from "./known-rows.ts";
import { pick } from "./random.ts";
import { type Outcome, REMARKS, type Transaction, type Work } from "./transactions.ts";

/**
 * The same product on its new layout: a schema per tenant comes first in the search path, no statement names the account, tables and columns have
 * their new names. An application whose layout stays the same needs none of this.
 */
export const TRANSACTIONS_AT_TARGET: readonly { weight: number; transaction: Transaction }[] = [
  { weight: 24, transaction: comment },
  { weight: 22, transaction: moveTask },
  { weight: 6, transaction: bill },
  { weight: 5, transaction: signIn },
];

async function comment(work: Work, known: KnownRows): Promise<Outcome> {
  const task = pick(known.tasks, work.random);
  const author = pick(known.users, work.random);
  if (task === undefined || author === undefined) return await signIn(work, known);
  await work.run("INSERT INTO messages (thread_id, author_id, body, mentions) VALUES ($1, $2, $3, $4)", [
    task,
    author,
    work.sign(task, pick(REMARKS, work.random) ?? ""),
    [author],
  ]);
  await work.run("UPDATE tasks SET comment_count = comment_count + 1, updated_at = now() WHERE id = $1", [task]);
  return "commit";
}

async function moveTask(work: Work, known: KnownRows): Promise<Outcome> {
  const task = pick(known.tasks, work.random);
  if (task === undefined) return await signIn(work, known);
  const status = pick(["todo", "doing", "review", "done"], work.random) ?? "todo";
  await work.run("UPDATE tasks SET status = $2, rank = rank + 0.000001, updated_at = now() WHERE id = $1", [task, status]);
  return "commit";
}

async function bill(work: Work, known: KnownRows): Promise<Outcome> {
  const [invoice] = await work.run(
    `INSERT INTO invoices (number, status, currency, total, address)
     VALUES ('N-' || gen_random_uuid(), 'open', 'EUR', 123.45, '{"street": "Kaja\\"s quay 7", "zip": "00100"}') RETURNING id`,
    [],
  );
  await work.run(
    "INSERT INTO invoice_lines (invoice_id, line, description, quantity, unit_price) VALUES ($1, 1, 'Consulting', 1.5, 82.3)",
    [invoice?.["id"] ?? ""],
  );
  await work.run("UPDATE accounts SET invoiced_cents = invoiced_cents + 12345 WHERE id = $1", [known.account]);
  return "commit";
}

async function signIn(work: Work, known: KnownRows): Promise<Outcome> {
  const user = pick(known.users, work.random);
  if (user === undefined) return "undo";
  await work.run("UPDATE users SET last_seen_at = clock_timestamp() WHERE id = $1", [user]);
  return "commit";
}
