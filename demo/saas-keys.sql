-- What is quicker to build once the rows are there.

CREATE UNIQUE INDEX users_email ON users (account_id, lower(email));
CREATE UNIQUE INDEX projects_key ON projects (account_id, key);
CREATE INDEX projects_labels ON projects USING gin (labels);
CREATE UNIQUE INDEX project_members_once ON project_members (account_id, project_id, user_id);
CREATE UNIQUE INDEX tasks_identity ON tasks (account_id, id);
CREATE INDEX tasks_board ON tasks (account_id, project_id, state, rank);
CREATE INDEX tasks_due ON tasks (account_id, due_at) WHERE state <> 'done';
CREATE INDEX comments_thread ON comments (account_id, task_id, created_at DESC);
CREATE UNIQUE INDEX invoices_number ON invoices (account_id, number);

ALTER TABLE projects
  ADD CONSTRAINT projects_parent FOREIGN KEY (account_id, parent_id) REFERENCES projects (account_id, id),
  ADD CONSTRAINT projects_owner FOREIGN KEY (account_id, owner_id) REFERENCES users (account_id, id);
ALTER TABLE project_members
  ADD CONSTRAINT project_members_project FOREIGN KEY (account_id, project_id) REFERENCES projects (account_id, id) ON DELETE CASCADE,
  ADD CONSTRAINT project_members_user FOREIGN KEY (account_id, user_id) REFERENCES users (account_id, id) ON DELETE CASCADE;
ALTER TABLE tasks
  ADD CONSTRAINT tasks_project FOREIGN KEY (account_id, project_id) REFERENCES projects (account_id, id),
  ADD CONSTRAINT tasks_assignee FOREIGN KEY (account_id, assignee_id) REFERENCES users (account_id, id);
ALTER TABLE comments
  ADD CONSTRAINT comments_task FOREIGN KEY (account_id, task_id) REFERENCES tasks (account_id, id) ON DELETE CASCADE,
  ADD CONSTRAINT comments_author FOREIGN KEY (account_id, author_id) REFERENCES users (account_id, id);
ALTER TABLE invoice_lines
  ADD CONSTRAINT invoice_lines_invoice FOREIGN KEY (account_id, invoice_id) REFERENCES invoices (account_id, id) ON DELETE CASCADE;

ALTER TABLE project_members REPLICA IDENTITY FULL;
ALTER TABLE tasks REPLICA IDENTITY USING INDEX tasks_identity;
