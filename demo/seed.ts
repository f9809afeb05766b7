/**
 * The rows of the demo's SaaS, made by the server itself. The same size gives the same rows each time: what looks random comes from
 * seeded random() or from hashes.
 */

/** Each tenant has 3/4 of the rows of the next larger one: with 40 of them the largest has a quarter of all, the smallest a handful. */
const STEP = 0.75;

/** What a row in ten thousand is: together they are all rows but those of countries and accounts. */
const PARTS = { users: 0.02, projects: 0.01, tasks: 0.27, invoices: 0.06 } as const;

/** Statements to be run in order, in one session. */
export function seedStatements({ rows, tenants }: { rows: number; tenants: number }): string[] {
  const count = (part: number) => `greatest(1, round(share * ${Math.round(rows * part)}))::int`;
  return [
    "SELECT setseed(0.42)",
    COUNTRIES,
    accounts(tenants),
    // How much each account has. Sizes are dealt out over the ids, so that the largest is not simply the first.
    `CREATE TEMP TABLE sizes AS
     SELECT id AS account_id, ${count(PARTS.users)} AS users, ${count(PARTS.projects)} AS projects,
            ${count(PARTS.tasks)} AS tasks, ${count(PARTS.invoices)} AS invoices, 0::bigint AS first_project
       FROM (SELECT id, ${STEP} ^ (row_number() OVER (ORDER BY md5(id::text)) - 1) * (1 - ${STEP}) / (1 - ${STEP} ^ ${tenants}) AS share
               FROM accounts) AS shares`,
    // A key that can be computed needs no join to refer to. The casts make it immutable, so that Postgres takes it into the statement.
    `CREATE FUNCTION pg_temp.user_id(account bigint, n int) RETURNS uuid IMMUTABLE LANGUAGE sql
     RETURN md5('user ' || account::text || ' ' || n::text)::uuid`,
    USERS,
    PROJECTS,
    `UPDATE sizes SET first_project = (SELECT min(id) FROM projects WHERE projects.account_id = sizes.account_id)`,
    PROJECT_MEMBERS,
    TASKS,
    `SELECT setval('tasks_id_seq', (SELECT max(id) FROM tasks))`,
    COMMENTS,
    LINES,
    INVOICES,
    INVOICE_LINES,
    `UPDATE accounts SET invoiced_cents = total
       FROM (SELECT account_id, sum(total_cents) AS total FROM invoices GROUP BY 1) AS sums WHERE account_id = id`,
    "DROP TABLE sizes, lines",
  ];
}

const COUNTRIES = `
  INSERT INTO countries (code, name, vat_rate, currencies) VALUES
    ('AT', 'Austria', 20, '{EUR}'), ('BE', 'Belgium', 21, '{EUR}'), ('BG', 'Bulgaria', 20, '{EUR,BGN}'), ('CH', 'Switzerland', 8.1, '{CHF}'),
    ('CZ', 'Czechia', 21, '{CZK}'), ('DE', 'Germany', 19, '{EUR}'), ('DK', 'Denmark', 25, '{DKK}'), ('EE', 'Estonia', 24, '{EUR}'),
    ('ES', 'Spain', 21, '{EUR}'), ('FI', 'Finland', 25.5, '{EUR}'), ('FR', 'France', 20, '{EUR}'), ('GB', 'United Kingdom', 20, '{GBP}'),
    ('IE', 'Ireland', 23, '{EUR}'), ('IT', 'Italy', 22, '{EUR}'), ('NL', 'Netherlands', 21, '{EUR}'), ('NO', 'Norway', 25, '{NOK}'),
    ('PL', 'Poland', 23, '{PLN}'), ('PT', 'Portugal', 23, '{EUR}'), ('SE', 'Sweden', 25, '{SEK}'), ('SI', 'Slovenia', 22, '{EUR}')`;

function accounts(tenants: number): string {
  return `
  INSERT INTO accounts (name, slug, plan, country, settings, sales_notes, created_at)
  SELECT name, lower(replace(name, ' ', '-')) || CASE WHEN n > 40 THEN '-' || n ELSE '' END,
         (ARRAY['enterprise', 'team', 'team', 'free'])[1 + n % 4],
         (ARRAY['DE', 'FR', 'NL', 'SE', 'PL', 'GB', 'CH'])[1 + n % 7],
         jsonb_build_object('locale', (ARRAY['de', 'fr', 'nl', 'sv', 'pl', 'en'])[1 + n % 6], 'seats', 5 * (1 + n % 9), 'sso', n % 4 = 0),
         CASE WHEN n % 3 = 0 THEN 'called twice, wants a discount' END,
         timestamptz '2021-03-01 09:00Z' + n * interval '19 days 3 hours'
    FROM generate_series(1, ${tenants}) AS n,
         LATERAL (SELECT (ARRAY['Alder', 'Birch', 'Cedar', 'Hazel', 'Juniper', 'Linden', 'Maple', 'Rowan'])[1 + (n - 1) % 8] || ' ' ||
                         (ARRAY['Books', 'Foods', 'Logistics', 'Media', 'Robotics'])[1 + (n - 1) / 8 % 5] AS name) AS named
   ORDER BY n`;
}

const USERS = `
  INSERT INTO users (account_id, id, email, given_name, family_name, password_hash, roles, last_seen_at, created_at)
  SELECT account_id, pg_temp.user_id(account_id, n), lower(given || '.' || family || n) || '@' || slug || '.example', given, family,
         '$2b$12$' || md5(n::text), CASE WHEN n = 1 THEN '{owner,member}' WHEN n % 9 = 0 THEN '{admin,member}' ELSE '{member}' END::text[],
         CASE WHEN n % 5 > 0 THEN timestamptz '2025-06-01Z' + random() * interval '90 days' END,
         accounts.created_at + random() * interval '400 days'
    FROM sizes JOIN accounts ON id = account_id, generate_series(1, users) AS n,
         LATERAL (SELECT (ARRAY['Ada', 'Björn', 'Chloé', 'Dmitri', 'Emre', 'Fatima', 'Grace', 'Hiro', 'Inês', 'Jörg', 'Kaja'])[1 + n % 11] AS given,
                         (ARRAY['Ahmadi', 'Berg', 'Costa', 'Dubois', 'Eriksson', 'Fischer', 'García', 'Hansen', 'Ito'])[1 + n % 9] AS family) AS names
   ORDER BY random()`;

/** In the order of accounts, so that an account's projects have consecutive ids; each third one is part of the one before. */
const PROJECTS = `
  INSERT INTO projects (account_id, parent_id, owner_id, key, name, labels, budget, archived, starts_on)
  SELECT account_id, CASE WHEN n % 3 = 0 THEN currval('projects_id_seq') END, pg_temp.user_id(account_id, 1 + n % users), 'P' || n,
         (ARRAY['Website', 'Migration', 'Onboarding', 'Mobile app', 'Year end'])[1 + n % 5] || ' ' || n,
         CASE WHEN n % 2 = 0 THEN ARRAY['q' || 1 + n % 4, 'client work'] ELSE '{}' END,
         CASE WHEN n % 4 > 0 THEN round((random() * 90000)::numeric, 2) END, n % 11 = 0, date '2024-01-01' + n % 600
    FROM (SELECT * FROM sizes, generate_series(1, projects) AS n ORDER BY account_id, n) AS wanted`;

const PROJECT_MEMBERS = `
  INSERT INTO project_members (account_id, project_id, user_id, role, since)
  SELECT account_id, first_project + p - 1, pg_temp.user_id(account_id, 1 + (p * 7 + m) % users),
         (ARRAY['lead', 'editor', 'viewer'])[1 + m], date '2024-01-01' + (p + m) % 600
    FROM sizes, generate_series(1, projects) AS p, generate_series(0, least(users, 3) - 1) AS m
   ORDER BY random()`;

/** One in a hundred has a description that Postgres stores out of line (TOAST); the tenants' rows lie mixed, as they would. */
const TASKS = `
  INSERT INTO tasks (id, account_id, project_id, assignee_id, title, description, state, priority, rank, tags, attributes, estimate,
                     comment_count, due_at, updated_at)
  SELECT id, account_id, first_project + floor(random() * projects)::int,
         CASE WHEN id % 6 > 0 THEN pg_temp.user_id(account_id, 1 + floor(random() * users)::int) END,
         (ARRAY['Fix', 'Write', 'Review', 'Plan', 'Ship', 'Test'])[1 + id % 6] || ' ' ||
         (ARRAY['the invoice export', 'the login page', 'release notes', 'the data import', 'search'])[1 + id % 5],
         CASE WHEN id % 100 = 0 THEN (SELECT string_agg(md5(id || ' ' || i), ' ') FROM generate_series(1, 120 + id % 200) AS i)
              ELSE repeat('As discussed, please look at this by the end of the week. ', (id % 4)::int) END,
         (ARRAY['todo', 'doing', 'review', 'done'])[1 + floor(random() * 4)::int]::task_state, 1 + id % 5, id + round(random()::numeric, 6),
         CASE id % 4 WHEN 0 THEN '{bug}' WHEN 1 THEN '{"needs review",api}' ELSE '{}' END::text[],
         jsonb_build_object('points', id % 13, 'source', CASE WHEN id % 2 = 0 THEN 'web' ELSE 'api' END),
         CASE WHEN id % 3 = 0 THEN (id % 40) * interval '30 minutes' END, ${commentsOf("id")},
         CASE WHEN id % 5 > 0 THEN timestamptz '2025-01-01Z' + random() * interval '300 days' END,
         timestamptz '2024-01-01Z' + id * interval '97.000131 seconds'
    FROM (SELECT sizes.*, row_number() OVER (ORDER BY random()) AS id FROM sizes, generate_series(1, tasks)) AS wanted
   ORDER BY id`;

/** From 0 to 4, 1.7 on average. */
function commentsOf(task: string): string {
  return `(${task} * 7919 % 44 / 10)::int`;
}

const COMMENTS = `
  INSERT INTO comments (account_id, task_id, author_id, body, mentions, created_at, edited_at)
  SELECT account_id, tasks.id, pg_temp.user_id(account_id, 1 + (tasks.id * 31 + n)::int % users),
         (ARRAY['Looks good to me.', 'Can we talk about this on Monday?', 'Done — see the attached file.', 'Who takes this?', 'I do not think that this is right:\\n> ' || title])[1 + (tasks.id + n) % 5],
         CASE WHEN n % 3 = 0 AND assignee_id IS NOT NULL THEN ARRAY[assignee_id] ELSE '{}' END,
         updated_at + n * interval '41 minutes', CASE WHEN (tasks.id + n) % 17 = 0 THEN updated_at + n * interval '45 minutes' END
    FROM tasks JOIN sizes USING (account_id), generate_series(1, ${commentsOf("tasks.id")}) AS n
   ORDER BY tasks.id, n`;

const LINES = `
  CREATE TEMP TABLE lines AS
  SELECT account_id, md5('invoice ' || account_id || ' ' || n)::uuid AS invoice_id, n, line::smallint, round((random() * 20)::numeric, 3) AS quantity,
         round((random() * 240)::numeric, 4) AS unit_price
    FROM sizes, generate_series(1, invoices) AS n, generate_series(1, 1 + n % 5) AS line`;

const INVOICES = `
  INSERT INTO invoices (account_id, id, number, status, currency, total_cents, address, issued_on, paid_at)
  SELECT account_id, invoice_id, 'R-' || lpad(n::text, 6, '0'), CASE WHEN n % 7 = 0 THEN 'open' WHEN n % 29 = 0 THEN 'void' ELSE 'paid' END::invoice_status,
         CASE WHEN n % 3 = 0 THEN 'CHF' ELSE 'EUR' END, sum(round(quantity * unit_price, 2)) * 100,
         jsonb_build_object('street', 'Hauptstraße ' || n % 90, 'zip', lpad((n % 99999)::text, 5, '0')), date '2024-01-01' + n % 600,
         CASE WHEN n % 7 > 0 THEN timestamptz '2024-01-15Z' + n % 600 * interval '1 day' + random() * interval '1 day' END
    FROM lines GROUP BY account_id, invoice_id, n ORDER BY random()`;

const INVOICE_LINES = `
  INSERT INTO invoice_lines (account_id, invoice_id, line, description, quantity, unit_price)
  SELECT account_id, invoice_id, line, (ARRAY['Consulting', 'Licences', 'Travel', 'Support'])[1 + (n + line) % 4], quantity, unit_price
    FROM lines ORDER BY md5(invoice_id::text), line`;
