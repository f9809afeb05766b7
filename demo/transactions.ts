import type { KnownRows } from "./known-rows.ts";
import { pick } from "./random.ts";

/** What a transaction may do; the traffic gives it, counts what was written, and commits. */
export type Work = {
  /** Runs a statement and returns its rows, values as text. */
  run(sql: string, params: readonly (string | string[])[]): Promise<Record<string, string>[]>;
  /** The text of a comment on the task, with a mark by which it is found again once the transaction is committed. */
  sign(task: string, text: string): string;
  /** The task goes with all its comments. */
  drop(task: string): void;
  readonly random: () => number;
  /** Another account than the one that is worked on. */
  readonly other: KnownRows;
};

/** `undo`: the client changes its mind, and the whole transaction is rolled back. */
export type Outcome = "commit" | "undo";
export type Transaction = (work: Work, known: KnownRows) => Promise<Outcome>;

/** What clients of such a product do, and how often. */
export const TRANSACTIONS: readonly { weight: number; transaction: Transaction }[] = [
  { weight: 24, transaction: comment },
  { weight: 22, transaction: moveTask },
  { weight: 10, transaction: editLongTask },
  { weight: 8, transaction: createTask },
  { weight: 6, transaction: discardDraft },
  { weight: 6, transaction: bill },
  { weight: 5, transaction: signIn },
  { weight: 4, transaction: reorderTasks },
  { weight: 4, transaction: invite },
  { weight: 3, transaction: removeMember },
  { weight: 3, transaction: deleteTask },
  { weight: 2, transaction: rewriteDescription },
  { weight: 2, transaction: renumberLines },
  { weight: 1, transaction: handOver },
  { weight: 1, transaction: changeVat },
  { weight: 2, transaction: changeOfMind },
];

/** Among them what has to survive every quoting on the way. */
export const REMARKS = ["On it.", 'He said "no", I\'d say \\N.', "C:\\new\ttabs\nand lines", "schön ☕ 日本語", "", "NULL"];

/** Two tables in one transaction; a savepoint that is rolled back leaves nothing. */
async function comment(work: Work, known: KnownRows): Promise<Outcome> {
  const task = pick(known.tasks, work.random);
  const author = pick(known.users, work.random);
  if (task === undefined || author === undefined) return await createTask(work, known);
  const insert = "INSERT INTO comments (account_id, task_id, author_id, body, mentions) VALUES ($1, $2, $3, $4, $5)";
  if (work.random() < 0.1) {
    await work.run("SAVEPOINT draft", []);
    await work.run(insert, [known.account, task, author, "never to be seen", []]);
    await work.run("ROLLBACK TO SAVEPOINT draft", []);
  }
  await work.run(insert, [known.account, task, author, work.sign(task, pick(REMARKS, work.random) ?? ""), [author]]);
  await work.run("UPDATE tasks SET comment_count = comment_count + 1, updated_at = now() WHERE id = $1", [task]);
  return "commit";
}

async function moveTask(work: Work, known: KnownRows): Promise<Outcome> {
  const task = pick(known.tasks, work.random);
  if (task === undefined) return await createTask(work, known);
  const state = pick(["todo", "doing", "review", "done"], work.random) ?? "todo";
  await work.run("UPDATE tasks SET state = $2, rank = rank + 0.000001, updated_at = now() WHERE id = $1", [task, state]);
  return "commit";
}

/** The long description stays as it is: the stream does not carry it then. */
async function editLongTask(work: Work, known: KnownRows): Promise<Outcome> {
  const task = pick(known.longTasks, work.random);
  if (task === undefined) return await moveTask(work, known);
  const points = String(Math.floor(work.random() * 13));
  await work.run(
    "UPDATE tasks SET attributes = jsonb_set(attributes, '{points}', to_jsonb($2::int)), tags = tags || $3::text[], updated_at = now() WHERE id = $1",
    [task, points, [`p${points}`]],
  );
  return "commit";
}

async function rewriteDescription(work: Work, known: KnownRows): Promise<Outcome> {
  const task = pick(known.longTasks, work.random);
  if (task === undefined) return await moveTask(work, known);
  await work.run(
    "UPDATE tasks SET description = (SELECT string_agg(md5($2 || i), ' ') FROM generate_series(1, 150 + $3::int) AS i) WHERE id = $1",
    [task, String(work.random()), String(Math.floor(work.random() * 200))],
  );
  return "commit";
}

async function createTask(work: Work, known: KnownRows): Promise<Outcome> {
  const project = pick(known.projects, work.random);
  if (project === undefined) return "undo";
  const [row] = await work.run(
    "INSERT INTO tasks (account_id, project_id, title, rank, tags, estimate) VALUES ($1, $2, $3, random()::numeric, '{new}', '90 minutes') RETURNING id",
    [known.account, project, pick(["Call back", "Look into it", "Order chairs"], work.random) ?? ""],
  );
  if (row?.["id"] !== undefined) known.drafts.push(row["id"]);
  return "commit";
}

async function discardDraft(work: Work, known: KnownRows): Promise<Outcome> {
  const draft = known.drafts.pop();
  if (draft === undefined) return await createTask(work, known);
  await work.run("DELETE FROM tasks WHERE id = $1", [draft]);
  return "commit";
}

/** A task that was there before the move began, with all its comments. */
async function deleteTask(work: Work, known: KnownRows): Promise<Outcome> {
  // The last few stay: an account without a task has nothing to show.
  const task = known.tasks.length > 5 ? known.tasks.pop() : undefined;
  if (task === undefined) return await createTask(work, known);
  work.drop(task);
  await work.run("DELETE FROM comments WHERE account_id = $1 AND task_id = $2", [known.account, task]);
  await work.run("DELETE FROM tasks WHERE id = $1", [task]);
  return "commit";
}

async function reorderTasks(work: Work, known: KnownRows): Promise<Outcome> {
  const from = Math.floor(work.random() * known.tasks.length);
  const some = known.tasks.slice(from, from + 25);
  if (some.length === 0) return await createTask(work, known);
  await work.run("UPDATE tasks SET rank = rank + 1, priority = 1 + (priority + 1) % 5 WHERE id = ANY ($1::bigint[])", [some]);
  return "commit";
}

/** The row leaves one tenant and comes to another. */
async function handOver(work: Work, known: KnownRows): Promise<Outcome> {
  const project = pick(work.other.projects, work.random);
  const draft = project === undefined ? undefined : known.drafts.pop();
  if (project === undefined || draft === undefined) return await createTask(work, known);
  await work.run("UPDATE tasks SET account_id = $2, project_id = $3 WHERE id = $1", [draft, work.other.account, project]);
  work.other.drafts.push(draft);
  return "commit";
}

/** An invoice with its lines, and the account's total: three tables. */
async function bill(work: Work, known: KnownRows): Promise<Outcome> {
  const lines = 1 + Math.floor(work.random() * 5);
  const [invoice] = await work.run(
    `INSERT INTO invoices (account_id, number, status, currency, total_cents, address)
     VALUES ($1, 'N-' || gen_random_uuid(), 'open', 'EUR', $2::bigint * 12345, '{"street": "Kaja\\"s quay 7", "zip": "00100"}') RETURNING id`,
    [known.account, String(lines)],
  );
  const id = invoice?.["id"] ?? "";
  await work.run(
    `INSERT INTO invoice_lines (account_id, invoice_id, line, description, quantity, unit_price)
     SELECT $1, $2, line, 'Consulting', 1.5, 82.3 FROM generate_series(1, $3::int) AS line`,
    [known.account, id, String(lines)],
  );
  await work.run("UPDATE accounts SET invoiced_cents = invoiced_cents + $2::bigint * 12345 WHERE id = $1", [
    known.account,
    String(lines),
  ]);
  known.invoices.push(id);
  return "commit";
}

/** The lines' primary key changes. */
async function renumberLines(work: Work, known: KnownRows): Promise<Outcome> {
  const invoice = pick(known.invoices, work.random);
  if (invoice === undefined) return await bill(work, known);
  await work.run(
    "UPDATE invoice_lines SET line = CASE WHEN line > 1000 THEN line - 1000 ELSE line + 1000 END WHERE account_id = $1 AND invoice_id = $2",
    [known.account, invoice],
  );
  await work.run("UPDATE invoices SET status = 'paid', paid_at = now() WHERE account_id = $1 AND id = $2", [
    known.account,
    invoice,
  ]);
  return "commit";
}

async function signIn(work: Work, known: KnownRows): Promise<Outcome> {
  const user = pick(known.users, work.random);
  if (user === undefined) return "undo";
  await work.run("UPDATE users SET last_seen_at = clock_timestamp() WHERE account_id = $1 AND id = $2", [known.account, user]);
  return "commit";
}

async function invite(work: Work, known: KnownRows): Promise<Outcome> {
  const project = pick(known.projects, work.random);
  if (project === undefined) return "undo";
  const [user] = await work.run(
    `INSERT INTO users (account_id, email, given_name, family_name, password_hash)
     VALUES ($1, gen_random_uuid() || '@invited.example', 'Noor', 'O''Brien', 'none') RETURNING id`,
    [known.account],
  );
  const id = user?.["id"] ?? "";
  await work.run("INSERT INTO project_members (account_id, project_id, user_id, role) VALUES ($1, $2, $3, 'viewer')", [
    known.account,
    project,
    id,
  ]);
  known.members.push({ project, user: id });
  return "commit";
}

async function removeMember(work: Work, known: KnownRows): Promise<Outcome> {
  const member = known.members.pop();
  if (member === undefined) return await invite(work, known);
  const where = "WHERE account_id = $1 AND project_id = $2 AND user_id = $3";
  await work.run(`UPDATE project_members SET role = 'lead' ${where}`, [known.account, member.project, member.user]);
  await work.run(`DELETE FROM project_members ${where}`, [known.account, member.project, member.user]);
  return "commit";
}

/** The shared table changes as well, now and then. */
async function changeVat(work: Work): Promise<Outcome> {
  const code = pick(["DE", "EE", "FI", "SI"], work.random) ?? "DE";
  await work.run("UPDATE countries SET vat_rate = 15 + round((random() * 12)::numeric, 1) WHERE code = $1", [code]);
  return "commit";
}

async function changeOfMind(work: Work, known: KnownRows): Promise<Outcome> {
  await work.run("UPDATE tasks SET title = 'nobody may see this' WHERE id = ANY ($1::bigint[])", [known.tasks.slice(0, 10)]);
  return "undo";
}
