-- The state of every migration, in the target, schema `rehouse`: one place says what was done, and every stage resumes from here. The files of this folder are
-- run at each start, in the order of src/package.ts: idempotent. LSNs are pg_lsn, transaction ids xid8, snapshots pg_snapshot (as text where it has to be compared).

CREATE SCHEMA IF NOT EXISTS rehouse;

CREATE TABLE IF NOT EXISTS rehouse.migration (
  name          text PRIMARY KEY,
  digest        text NOT NULL,               -- of the migration file: what goes where
  state         text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'paused', 'cancelling')),
  -- The slot is made in two journalled steps, so that after a crash a slot without a snapshot here is known to be ours and is made again.
  slot_intended timestamptz,
  slot_lsn      pg_lsn,                      -- the slot's consistent point: every later commit is in the topic
  slot_snapshot text,                        -- what that point sees: every epoch must see all of it
  timeline      int,                         -- the source's, in which changes are captured
  partitions    int NOT NULL,                -- tenants' partitions; shared tables have one more, the last
  tenants_asked bigint NOT NULL DEFAULT 0,   -- grows whenever other tenants are to be published (see rehouse.capture.tenants_seen)
  version       text NOT NULL,               -- of the Rehouse that began it
  evidence_salt uuid NOT NULL DEFAULT gen_random_uuid(), -- of the hashes that stand for secret values; it never leaves this table
  created_at    timestamptz NOT NULL DEFAULT now()
);

-- A unit of phases: a tenant, the shared tables '(shared)', or '*' in a move without tenants.
CREATE TABLE IF NOT EXISTS rehouse.tenant (
  migration    text NOT NULL REFERENCES rehouse.migration ON DELETE CASCADE,
  tenant       text NOT NULL,
  kind         text NOT NULL CHECK (kind IN ('tenant', 'shared', 'whole')),
  partition    int NOT NULL,
  phase        text NOT NULL DEFAULT 'planned',
  wave         int,                          -- the tenants that are copied together
  -- The lane that applies its changes: 'main', a late lane's name, or NULL while it has none (not copied yet, or stopped).
  lane         text,
  start_offset bigint,                       -- where its lane has to begin; after a stop: the offset of the transaction that was refused
  first_epoch  bigint,                       -- oldest epoch under which it was copied: changes visible there are skipped
  settle_lsn   pg_lsn,                       -- once its lane has passed this, the target equals the source as of a position
  settled      boolean NOT NULL DEFAULT false,
  reread_lsn   pg_lsn,                       -- rows that were read again from the source may be newer than the lane, up to this
  left_lsn     pg_lsn,                       -- its home is the other side since here: later changes are late writes; NULL: it has not left
  resync_lsn   pg_lsn,                       -- a whole comparison with repair is due once its lane has passed this; NULL: none is
  rows_estimated bigint NOT NULL DEFAULT 0,
  rows_copied  bigint NOT NULL DEFAULT 0,
  changes      bigint NOT NULL DEFAULT 0,    -- applied, net of what the copy already held
  applied_lsn  pg_lsn,
  stopped      jsonb,                        -- {code, what, table, position, offset, at} while it stands still
  held         boolean NOT NULL DEFAULT false, -- given up by a person, until another one asks for it again
  phase_since  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (migration, tenant)
);

-- Which processes work on the migration; a row older than a few seconds is a process that is gone.
CREATE TABLE IF NOT EXISTS rehouse.process (
  migration  text NOT NULL REFERENCES rehouse.migration ON DELETE CASCADE,
  host       text NOT NULL,
  pid        int NOT NULL,
  role       text NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(),
  beat_at    timestamptz NOT NULL DEFAULT now(),
  rss_bytes  bigint,
  error      jsonb,                          -- what it is waiting out, {code, what, where, fix}
  PRIMARY KEY (migration, host, pid, role)
);

CREATE TABLE IF NOT EXISTS rehouse.journal (
  entry     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  migration text NOT NULL,                   -- outlives the migration
  tenant    text,
  at        timestamptz NOT NULL DEFAULT now(),
  event     text NOT NULL,
  detail    jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX IF NOT EXISTS journal_of_tenant ON rehouse.journal (migration, tenant, entry);
