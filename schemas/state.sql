-- The state of every migration, in the target, schema `rehouse`. One place says what was done; every stage resumes from here.
-- Idempotent: it is run at each start. LSNs are pg_lsn, transaction ids xid8, snapshots pg_snapshot (as text where it has to be compared).

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

-- Tenants that are copied together, table by table, from the same epochs.
CREATE TABLE IF NOT EXISTS rehouse.wave (
  migration   text NOT NULL REFERENCES rehouse.migration ON DELETE CASCADE,
  wave        int NOT NULL,
  first_epoch bigint,
  planned     boolean NOT NULL DEFAULT false,
  PRIMARY KEY (migration, wave)
);

-- A source snapshot under which chunks are read. `exported` can be imported for as long as the session that exported it lives.
CREATE TABLE IF NOT EXISTS rehouse.epoch (
  migration text NOT NULL REFERENCES rehouse.migration ON DELETE CASCADE,
  epoch     bigint GENERATED ALWAYS AS IDENTITY,
  wave      int NOT NULL,
  snapshot  text NOT NULL,
  exported  text NOT NULL,
  wal_lsn   pg_lsn NOT NULL,                 -- the source's insert position after the snapshot was taken
  taken_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (migration, epoch)
);

-- The ledger: a chunk and its row here commit in one transaction. While it is copied its row is locked, and that lock is the lease.
CREATE TABLE IF NOT EXISTS rehouse.chunk (
  migration  text NOT NULL REFERENCES rehouse.migration ON DELETE CASCADE,
  chunk      bigint GENERATED ALWAYS AS IDENTITY,
  wave       int NOT NULL,
  source     text NOT NULL,                  -- schema.table of the mapping
  relation   text NOT NULL,                  -- what is read: the table, or one of its leaf partitions, quoted for SQL
  filenode   bigint NOT NULL,                -- of `relation` at planning: another one means that the ranges mean nothing any more
  tenant     text,                           -- one tenant by its index, or NULL: a range of blocks, all tenants of the wave
  block_from bigint,
  block_to   bigint,                         -- exclusive
  rows_estimated bigint NOT NULL DEFAULT 0,
  state      text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done')),
  epoch      bigint,
  rows       bigint,
  left_out   bigint,                         -- rows that gave way to a newer one of the stream (later epochs only)
  hash       text,                           -- the same on both sides when it committed; NULL when the comparison was left to the reconciler
  took_ms    bigint,
  done_at    timestamptz,
  PRIMARY KEY (migration, chunk)
);
CREATE INDEX IF NOT EXISTS chunk_pending ON rehouse.chunk (migration, chunk) WHERE state = 'pending';

-- The place of each lane, written in the same transaction as the rows.
CREATE TABLE IF NOT EXISTS rehouse.lane (
  migration   text NOT NULL REFERENCES rehouse.migration ON DELETE CASCADE,
  partition   int NOT NULL,
  lane        text NOT NULL,
  next_offset bigint NOT NULL,
  lsn         pg_lsn NOT NULL DEFAULT '0/0',
  ordinal     bigint NOT NULL DEFAULT 0,
  -- Changes when a tenant joins or leaves, so that a batch that was prepared for other tenants is refused.
  membership  bigint NOT NULL DEFAULT 0,
  changes     bigint NOT NULL DEFAULT 0,
  committed_ms bigint,                       -- commit time at the source of the last transaction applied
  applied_at  timestamptz,
  PRIMARY KEY (migration, partition, lane)
);

-- Noted by capture with every heartbeat: every transaction whose xid is >= xid_ceiling begins in the topic at or after these offsets.
CREATE TABLE IF NOT EXISTS rehouse.offset_note (
  migration   text NOT NULL REFERENCES rehouse.migration ON DELETE CASCADE,
  lsn         pg_lsn NOT NULL,
  xid_ceiling xid8 NOT NULL,
  offsets     bigint[] NOT NULL,             -- index 1 is partition 0
  noted_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (migration, lsn)
);

-- What is compared on its own: a source table's rows of one unit. The newest comparison's result, and the reconciler's pass under way.
-- `forward`: the source holds the truth and the target follows.
CREATE TABLE IF NOT EXISTS rehouse.compared_unit (
  migration   text NOT NULL REFERENCES rehouse.migration ON DELETE CASCADE,
  direction   text NOT NULL DEFAULT 'forward' CHECK (direction IN ('forward', 'reverse')),
  source      text NOT NULL,                 -- schema.table of the mapping
  tenant      text NOT NULL,
  -- The newest comparison, by a pass of the reconciler or by verify. NULL until there is one.
  rows        bigint,
  hash        numeric,                       -- sum of the rows' hashes on the side that holds the truth
  differences bigint,
  unsettled   bigint,                        -- rows that changed at every look
  omitted     bigint,                        -- differing rows beyond those that were looked at one by one
  position    pg_lsn,                        -- everything that was committed by then was compared
  compared_at timestamptz,
  -- How much had been applied for the tenant and written to the table when it began; other numbers now mean that something has changed since.
  changes     bigint,
  writes      bigint,
  target      text,                          -- where its rows are, quoted for SQL; NULL: the reconciler does not know the unit yet
  -- The pass under way.
  passes      bigint NOT NULL DEFAULT 0,     -- begun so far
  began_at    timestamptz,                   -- NULL: none is under way
  key_order   text[],                        -- key columns at the source in the order in which ranges are cut; NULL: the unit is one range
  frontier    text[],                        -- the last key that is in a range; NULL: none is
  is_cut      boolean NOT NULL DEFAULT false, -- every row is in one of its ranges
  pass_changes bigint,
  pass_writes bigint,
  touched_at  timestamptz,                   -- when a range of it was last taken
  not_before  timestamptz NOT NULL DEFAULT '-infinity',
  obstacle    text,                          -- why it could not be compared the last time
  PRIMARY KEY (migration, direction, source, tenant)
);

-- The ranges of keys of the passes under way. A range is its owner's until leased_until, or until the owner's session is gone.
CREATE TABLE IF NOT EXISTS rehouse.compared_range (
  migration   text NOT NULL,
  direction   text NOT NULL,
  source      text NOT NULL,
  tenant      text NOT NULL,
  range       bigint GENERATED ALWAYS AS IDENTITY,
  after_key   text[],                        -- exclusive; NULL: from the first row
  up_to_key   text[],                        -- inclusive; NULL: to the last row
  owner_pid   int,
  owner_since timestamptz,
  leased_until timestamptz NOT NULL DEFAULT '-infinity',
  is_done     boolean NOT NULL DEFAULT false,
  rows        bigint,
  hash        numeric,
  differences bigint,
  unsettled   bigint,
  omitted     bigint,
  position    pg_lsn,
  PRIMARY KEY (migration, direction, source, tenant, range),
  FOREIGN KEY (migration, direction, source, tenant) REFERENCES rehouse.compared_unit ON DELETE CASCADE
);

-- Rows written so far into a table, by the statistics of the server (some seconds behind). NULL where they do not say.
CREATE OR REPLACE FUNCTION rehouse.writes_of(relation text) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT pg_catalog.pg_stat_get_tuples_inserted(oid) + pg_catalog.pg_stat_get_tuples_updated(oid) + pg_catalog.pg_stat_get_tuples_deleted(oid)
    FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass(relation) AND relkind = 'r'
$$;

-- One row for each comparison of a unit that came to its end: the history that an auditor reads. The newest of each unit are kept.
CREATE TABLE IF NOT EXISTS rehouse.evidence (
  evidence    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  migration   text NOT NULL REFERENCES rehouse.migration ON DELETE CASCADE,
  direction   text NOT NULL,
  source      text NOT NULL,
  tenant      text NOT NULL,
  compared_by text NOT NULL CHECK (compared_by IN ('reconcile', 'verify')),
  pass        bigint,                        -- of the reconciler
  rows        bigint NOT NULL,
  hash        numeric NOT NULL,
  differences bigint NOT NULL,
  unsettled   bigint NOT NULL,
  omitted     bigint NOT NULL,
  position    pg_lsn NOT NULL,
  began_at    timestamptz NOT NULL,
  at          timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS evidence_of_unit ON rehouse.evidence (migration, direction, source, tenant, evidence);

-- Rows that differ, or did. Values of secret columns are salted hashes here. Open while gone_at is NULL.
CREATE TABLE IF NOT EXISTS rehouse.difference (
  difference   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  migration    text NOT NULL REFERENCES rehouse.migration ON DELETE CASCADE,
  direction    text NOT NULL DEFAULT 'forward',
  source       text NOT NULL,                -- schema.table of the mapping
  tenant       text NOT NULL,
  id           text NOT NULL,                -- a hash of the row's key
  key          jsonb NOT NULL,               -- column of the target → text
  kind         text NOT NULL CHECK (kind IN ('missing', 'extra', 'different')),
  columns      text[] NOT NULL,
  source_image jsonb,
  target_image jsonb,
  foreign_write jsonb,                       -- who else wrote the row last, where that was noted: {operation, role, application, client, at}
  position     pg_lsn NOT NULL,              -- of the look at which it was last seen
  first_seen   timestamptz NOT NULL DEFAULT statement_timestamp(),
  last_seen    timestamptz NOT NULL DEFAULT statement_timestamp(),
  gone_at      timestamptz,
  repaired_at  timestamptz,                  -- with repaired_by: it went by a repair; else by the stream
  repaired_by  text
);
CREATE UNIQUE INDEX IF NOT EXISTS difference_open ON rehouse.difference (migration, direction, source, tenant, id) WHERE gone_at IS NULL;

CREATE TABLE IF NOT EXISTS rehouse.capture (
  migration    text PRIMARY KEY REFERENCES rehouse.migration ON DELETE CASCADE,
  lsn          pg_lsn,                       -- acknowledged to the source
  changes      bigint NOT NULL DEFAULT 0,
  lag_ms       bigint,                       -- of the last heartbeat, from its commit to Kafka's answer
  at           timestamptz NOT NULL DEFAULT now(),
  -- rehouse.migration.tenants_asked when the run of capture began: everything that these tenants commit from now on is published.
  tenants_seen bigint NOT NULL DEFAULT 0
);

-- The source's tables as they were when the migration began: later a name may mean another table, and a partition bring or take rows.
CREATE TABLE IF NOT EXISTS rehouse.source_table (
  migration  text NOT NULL REFERENCES rehouse.migration ON DELETE CASCADE,
  source     text NOT NULL,                  -- schema.table of the mapping
  relation   oid NOT NULL,                   -- at the source
  partitions oid[] NOT NULL,                 -- of every level, as last seen
  PRIMARY KEY (migration, source)
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

-- Where each tenant lives that was ever switched; without a row it lives at the source. Applications read it (src/router) and listen on
-- channel rehouse_route. No reference to the migration: a tenant that has moved lives where it lives also when the migration is over.
CREATE TABLE IF NOT EXISTS rehouse.route (
  migration  text NOT NULL,
  tenant     text NOT NULL,
  home       text NOT NULL CHECK (home IN ('source', 'target')),
  schema     text,                           -- the tenant's own at its home, where it has one
  generation bigint NOT NULL,                -- one more with each switch
  since      timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (migration, tenant)
);

-- Whom each change of a route has to be told: filled in the transaction of the switch, emptied by the control role, in the order of generations.
CREATE TABLE IF NOT EXISTS rehouse.route_delivery (
  migration  text NOT NULL,
  tenant     text NOT NULL,
  generation bigint NOT NULL,
  channel    text NOT NULL CHECK (channel IN ('topic', 'webhook')),
  home       text NOT NULL,
  schema     text,
  since      timestamptz NOT NULL,
  attempts   int NOT NULL DEFAULT 0,
  not_before timestamptz NOT NULL DEFAULT '-infinity', -- when it is tried next; while it is tried: when it is given up for lost with its process
  failing_since timestamptz,
  error      jsonb,                          -- {code, what} of the last attempt
  done_at    timestamptz,
  PRIMARY KEY (migration, tenant, generation, channel)
);
CREATE INDEX IF NOT EXISTS route_delivery_open ON rehouse.route_delivery (migration, channel, tenant, generation) WHERE done_at IS NULL;

-- What each criterion of the file's `rollback` last gave for a tenant that soaks.
CREATE TABLE IF NOT EXISTS rehouse.soak_check (
  migration  text NOT NULL REFERENCES rehouse.migration ON DELETE CASCADE,
  tenant     text NOT NULL,
  criterion  text NOT NULL,                  -- in the words that status shows
  generation bigint NOT NULL,                -- of the route: after another switch the tenant soaks anew
  value      text,                           -- what was measured; NULL: never so far
  failures   int NOT NULL DEFAULT 0,         -- in a row, of what trips only after several
  tripped_at timestamptz,                    -- NULL: it does not hold now
  problem    text,                           -- why it could not be asked the last time
  checked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (migration, tenant, criterion)
);

-- Changes that a person has decided to go on without.
CREATE TABLE IF NOT EXISTS rehouse.skipped_change (
  migration text NOT NULL REFERENCES rehouse.migration ON DELETE CASCADE,
  tenant    text NOT NULL,
  lsn       pg_lsn NOT NULL,
  ordinal   bigint NOT NULL,
  change    jsonb NOT NULL,                  -- {table, operation, key}
  skipped_at timestamptz NOT NULL DEFAULT now(),
  skipped_by text NOT NULL,
  PRIMARY KEY (migration, tenant, lsn, ordinal)
);

-- A tenant's switch under way, in either direction. Everything before step `switched` undoes itself; from then on it is finished, by whoever finds it.
-- In a migration's own schema, whichever way the tenant goes.
CREATE TABLE IF NOT EXISTS rehouse.switch (
  migration  text NOT NULL REFERENCES rehouse.migration ON DELETE CASCADE,
  tenant     text NOT NULL,
  direction  text NOT NULL CHECK (direction IN ('to-target', 'to-source')),
  step       text NOT NULL DEFAULT 'preparing' CHECK (step IN ('preparing', 'locking', 'draining', 'fencing', 'switched', 'undoing')),
  attempt    uuid NOT NULL DEFAULT gen_random_uuid(), -- whoever has taken the switch over has another one
  attempts   int NOT NULL DEFAULT 0,         -- at the tenant's lock
  marker     pg_lsn,                         -- at the side that is left: everything of the tenant there is before it
  snapshot   text,                           -- of the side that it goes to, behind the fence: what it sees equals the side that was left
  snapshot_lsn pg_lsn,                       -- the WAL's position there after that
  generation bigint,                         -- of the fence
  waited_ms  bigint,
  drain_ms   bigint,
  verify_ms  bigint,
  started_by text NOT NULL,
  began_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  switched_at timestamptz,
  PRIMARY KEY (migration, tenant)
);

-- What was moved, compared, switched and removed, of each tenant whose old home was cleared. Outlives the migration.
CREATE TABLE IF NOT EXISTS rehouse.receipt (
  migration  text NOT NULL,
  tenant     text NOT NULL,
  receipt    jsonb NOT NULL,
  at         timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (migration, tenant)
);

-- Rehearsals of a move on a copy, before it has begun or later; a migration of this name need not be there.
CREATE TABLE IF NOT EXISTS rehouse.rehearsal (
  id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  migration   text NOT NULL,
  fingerprint text NOT NULL,                 -- of the mapping that was rehearsed
  began       timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended       timestamptz,                   -- NULL: under way, or dead
  outcome     text CHECK (outcome IN ('passed', 'differences', 'failed', 'interrupted')),
  report      jsonb
);
CREATE INDEX IF NOT EXISTS rehearsal_newest ON rehouse.rehearsal (migration, began);

-- Rows that somebody else wrote at the target while their tenant was on its way: noted by triggers that expand puts on the target's tables. No
-- reference to the migration: it would have the application's transactions and a cancel wait for each other.
CREATE TABLE IF NOT EXISTS rehouse.foreign_write (
  note        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  migration   text NOT NULL,
  tenant      text NOT NULL,
  source      text NOT NULL,                 -- schema.table of the mapping
  target      text NOT NULL,                 -- schema.table
  operation   text NOT NULL CHECK (operation IN ('insert', 'update', 'delete', 'truncate')),
  key         text[],                        -- the row's; NULL of a truncate
  key_before  text[],                        -- where an update changed it
  before      jsonb,                         -- values of secret columns are salted hashes
  after       jsonb,
  role        text NOT NULL,
  application text,
  client      inet,
  xid         xid8 NOT NULL,
  at          timestamptz NOT NULL DEFAULT clock_timestamp(),
  decided_at  timestamptz,                   -- NULL: it waits for a person
  decision    text CHECK (decision IN ('retried', 'repaired', 'overwritten')),
  decided_by  text
);
CREATE INDEX IF NOT EXISTS foreign_write_of_table ON rehouse.foreign_write (migration, tenant, source);
CREATE INDEX IF NOT EXISTS foreign_write_open ON rehouse.foreign_write (migration, tenant) WHERE decided_at IS NULL;

-- A row's columns in the texts that Rehouse has everywhere, whatever the session's own settings are (connectors/postgres/settings.ts).
CREATE OR REPLACE FUNCTION rehouse.row_texts(of_row anyelement, columns text[]) RETURNS text[] LANGUAGE plpgsql
  SET search_path = pg_catalog SET TimeZone = 'UTC' SET DateStyle = 'ISO, MDY' SET IntervalStyle = 'postgres'
  SET extra_float_digits = 3 SET bytea_output = 'hex' SET lc_monetary = 'C' AS $$
DECLARE
  texts text[];
BEGIN
  EXECUTE (SELECT format('SELECT ARRAY[%s]', string_agg(format('($1).%I::text', name), ', ' ORDER BY place))
             FROM unnest(columns) WITH ORDINALITY AS of_column (name, place)) INTO texts USING of_row;
  RETURN texts;
END $$;

CREATE OR REPLACE FUNCTION rehouse.row_image(of_row jsonb, secrets text[], salt text) RETURNS jsonb LANGUAGE sql STABLE
  SET search_path = pg_catalog AS $$
  SELECT jsonb_object_agg(name, CASE WHEN name <> ALL (secrets) OR value = 'null' THEN value
           ELSE to_jsonb('sha256:' || encode(sha256(convert_to(salt || name || (value #>> '{}'), 'UTF8')), 'hex')) END)
    FROM jsonb_each(of_row) AS of_column (name, value)
$$;

-- Arguments: migration, schema.table of the mapping, the unit, the target's tenant column where the table is one of several units (then the unit
-- is empty), key columns, secret columns, and whether the key's types have the same text in JSON: that spares two plans a row. A note that cannot
-- be written must not cost the application its statement.
CREATE OR REPLACE FUNCTION rehouse.note_foreign_write() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  units text[] := ARRAY[TG_ARGV[2]];
  row_then jsonb := CASE WHEN TG_OP IN ('UPDATE', 'DELETE') THEN to_jsonb(OLD) END;
  row_now jsonb := CASE WHEN TG_OP IN ('UPDATE', 'INSERT') THEN to_jsonb(NEW) END;
  key_then text[];
  key_now text[];
  salt text;
BEGIN
  IF TG_OP = 'TRUNCATE' AND TG_ARGV[3] <> '' THEN
    units := ARRAY(SELECT tenant FROM rehouse.tenant WHERE migration = TG_ARGV[0] AND kind = 'tenant');
  ELSIF TG_ARGV[3] <> '' THEN
    -- A row may change hands: it is both units' then.
    units := ARRAY[row_now ->> TG_ARGV[3], row_then ->> TG_ARGV[3]];
  END IF;
  units := ARRAY(SELECT tenant FROM rehouse.tenant
                  WHERE migration = TG_ARGV[0] AND tenant = ANY (units) AND phase NOT IN ('soaking', 'contracted'));
  IF units = '{}' THEN
    RETURN NULL;
  END IF;
  BEGIN
    IF TG_ARGV[6] = 'json' THEN
      key_now := CASE WHEN row_now IS NOT NULL THEN ARRAY(SELECT row_now ->> name FROM unnest(TG_ARGV[4]::text[]) AS name) END;
      key_then := CASE WHEN row_then IS NOT NULL THEN ARRAY(SELECT row_then ->> name FROM unnest(TG_ARGV[4]::text[]) AS name) END;
    ELSE
      IF row_now IS NOT NULL THEN
        EXECUTE 'SELECT rehouse.row_texts($1, $2)' INTO key_now USING NEW, TG_ARGV[4]::text[];
      END IF;
      IF row_then IS NOT NULL THEN
        EXECUTE 'SELECT rehouse.row_texts($1, $2)' INTO key_then USING OLD, TG_ARGV[4]::text[];
      END IF;
    END IF;
    IF TG_ARGV[5] <> '{}' THEN
      SELECT evidence_salt::text INTO salt FROM rehouse.migration WHERE name = TG_ARGV[0];
      row_then := rehouse.row_image(row_then, TG_ARGV[5]::text[], salt);
      row_now := rehouse.row_image(row_now, TG_ARGV[5]::text[], salt);
    END IF;
    INSERT INTO rehouse.foreign_write
      (migration, tenant, source, target, operation, key, key_before, before, after, role, application, client, xid)
    SELECT TG_ARGV[0], unit, TG_ARGV[1], TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, lower(TG_OP),
           coalesce(key_now, key_then), CASE WHEN key_then <> key_now THEN key_then END, row_then, row_now,
           session_user, nullif(current_setting('application_name'), ''), inet_client_addr(), pg_current_xact_id()
      FROM unnest(units) AS unit;
  EXCEPTION WHEN OTHERS THEN
    RAISE LOG 'rehouse: a write to %.% could not be noted: %', TG_TABLE_SCHEMA, TG_TABLE_NAME, SQLERRM;
  END;
  RETURN NULL;
END $$;

-- Fails the transaction of a lane when one of these tenants has a foreign write that nobody has decided on. Asked after the lane's rows are written:
-- whoever wrote one of them before has committed by then, and the note with it.
CREATE OR REPLACE FUNCTION rehouse.refuse_foreign_writes(of_migration text, of_tenants text[]) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  found_note rehouse.foreign_write;
BEGIN
  SELECT * INTO found_note FROM rehouse.foreign_write
   WHERE migration = of_migration AND tenant = ANY (of_tenants) AND decided_at IS NULL ORDER BY note LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION '% wrote to % (%, %) while tenant % is on its way', found_note.role, found_note.target, found_note.operation,
      coalesce('key ' || array_to_string(found_note.key, ', ', 'NULL'), 'all rows'), found_note.tenant
      USING ERRCODE = 'RH002', DETAIL = jsonb_build_object('tenant', found_note.tenant, 'table', found_note.source);
  END IF;
END $$;

-- Stands where an upsert would write over another tenant's row (src/apply/tenant-at-target.ts), and is only asked for its value where it is one.
CREATE OR REPLACE FUNCTION rehouse.refuse_row_of_another(owner text, tenant text, target text, key text[]) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  RAISE EXCEPTION 'in %, the row with key % is of tenant %, and would become one of tenant %', target, array_to_string(key, ', ', 'NULL'),
    coalesce(owner, 'NULL'), tenant
    USING ERRCODE = 'RH003', DETAIL = jsonb_build_object('owner', owner);
END $$;

-- Tenants whose writers can be held back in this database (src/fence). Not the row but the tenant's **signal**, the sequence rehouse.fence_<fence>, is
-- what triggers look at, since it shows its newest value to every snapshot: generation while writers pass, -generation while they do not. It is
-- only set by who has the tenant's lock exclusively, and only read under the lock, so row and signal are one to whoever looks.
CREATE SEQUENCE IF NOT EXISTS rehouse.fence_generation;
CREATE TABLE IF NOT EXISTS rehouse.fence (
  migration   text NOT NULL,
  tenant      text NOT NULL,
  fence       bigint GENERATED ALWAYS AS IDENTITY,
  -- armed: writers pass. fenced: a switch is between its point of no return and its end. moved: the tenant lives elsewhere.
  state       text NOT NULL DEFAULT 'armed' CHECK (state IN ('armed', 'fenced', 'moved')),
  home        text NOT NULL CHECK (home IN ('source', 'target')),
  generation  bigint NOT NULL,               -- of its newest coming or going
  armed_generation bigint NOT NULL,          -- the one that a fence which is taken back returns to
  reopened_at timestamptz,                   -- when the tenant last came back
  lock_key    bigint NOT NULL,               -- of the advisory lock: shared by writers, exclusive for a switch
  since       timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (migration, tenant)
);

-- Tables that have the fence's triggers. A table belongs to one tenant, or has each row's in a column.
CREATE TABLE IF NOT EXISTS rehouse.fenced_table (
  migration   text NOT NULL,
  relation    oid NOT NULL,
  name        text NOT NULL,                 -- schema.table, when it was armed
  tenant      text,
  tenant_column text,
  column_type text,
  PRIMARY KEY (migration, relation),
  CHECK (num_nonnulls(tenant, tenant_column) = 1 AND (tenant_column IS NULL) = (column_type IS NULL))
);

-- Lets a writer of the tenant pass, now or once the switch that holds the lock has let go, or refuses it. The lock is held to the end of the
-- transaction: whoever has it exclusively knows that no writer is in flight. A snapshot that is older than the tenant's newest going or coming
-- is refused with 40001, so that the transaction is begun anew with one that is not.
CREATE OR REPLACE FUNCTION rehouse.pass_fence(of_migration text, of_tenant text, tenant_lock bigint, signal regclass) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  newest bigint;
  seen rehouse.fence;
BEGIN
  PERFORM pg_advisory_xact_lock_shared(tenant_lock);
  IF current_setting('rehouse.writer', true) = 'on' THEN
    RETURN;
  END IF;
  newest := pg_sequence_last_value(signal);
  -- In READ COMMITTED this sees what is committed by now, in the other levels what the transaction's snapshot sees.
  SELECT * INTO seen FROM rehouse.fence WHERE migration = of_migration AND tenant = of_tenant;
  IF (seen.generation >= abs(newest)) IS NOT TRUE THEN
    RAISE EXCEPTION 'could not serialize access: the snapshot is older than the last switch of tenant %', of_tenant
      USING ERRCODE = 'serialization_failure', HINT = 'The transaction might succeed if retried.';
  END IF;
  IF newest > 0 OR seen.state = 'armed' THEN
    RETURN;
  END IF;
  PERFORM rehouse.refuse_writer(seen.state, of_migration, of_tenant, seen.home, seen.generation);
END $$;

-- TRUNCATE has its table locked against readers already, those of the switch among them, so it does not wait for one.
CREATE OR REPLACE FUNCTION rehouse.pass_fence_truncating(of_migration text, tenants text[], tenant_locks bigint[], signals regclass[])
  RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  FOR place IN 1 .. cardinality(tenants) LOOP
    IF NOT pg_try_advisory_xact_lock_shared(tenant_locks[place]) THEN
      PERFORM rehouse.refuse_writer('fenced', of_migration, tenants[place], NULL, abs(pg_sequence_last_value(signals[place])));
    END IF;
    PERFORM rehouse.pass_fence(of_migration, tenants[place], tenant_locks[place], signals[place]);
  END LOOP;
END $$;

-- A mirror has its migration's name before the dot.
CREATE OR REPLACE FUNCTION rehouse.refuse_writer(state text, of_migration text, of_tenant text, new_home text, of_generation bigint)
  RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  RAISE EXCEPTION USING
    ERRCODE = CASE state WHEN 'moved' THEN 'RH011' ELSE 'RH010' END,
    MESSAGE = CASE state WHEN 'moved' THEN format('tenant %s has moved to the %s', of_tenant, new_home)
                ELSE format('tenant %s is being switched, try again', of_tenant) END,
    DETAIL = jsonb_build_object('migration', split_part(of_migration, '.', 1), 'tenant', of_tenant, 'home', new_home,
                                'generation', of_generation);
END $$;

-- Changes at the home that a tenant had left when they were committed: seen by its lane, and not applied.
CREATE TABLE IF NOT EXISTS rehouse.late_write (
  migration    text NOT NULL REFERENCES rehouse.migration ON DELETE CASCADE,
  tenant       text NOT NULL,
  lsn          pg_lsn NOT NULL,
  ordinal      bigint NOT NULL,
  source       text NOT NULL,                -- schema.table of the mapping
  operation    text NOT NULL CHECK (operation IN ('insert', 'update', 'delete', 'truncate')),
  key          jsonb NOT NULL,               -- column of the source → text; empty of a truncate
  committed_at timestamptz NOT NULL,
  at           timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (migration, tenant, lsn, ordinal)
);

-- Moves a lane's place, or fails the whole transaction: another process has moved it, or its tenants have changed.
CREATE OR REPLACE FUNCTION rehouse.advance_lane(
  of_migration text, of_partition int, of_lane text, expected_offset bigint, expected_membership bigint,
  to_offset bigint, to_lsn pg_lsn, to_ordinal bigint, more_changes bigint, source_commit_ms bigint
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  UPDATE rehouse.lane
     SET next_offset = to_offset, lsn = to_lsn, ordinal = to_ordinal, changes = changes + more_changes,
         -- 0 when every message was a repeated one
         committed_ms = greatest(committed_ms, nullif(source_commit_ms, 0)), applied_at = clock_timestamp()
   WHERE migration = of_migration AND partition = of_partition AND lane = of_lane
     AND next_offset = expected_offset AND membership = expected_membership;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'lane % of partition % is no longer at offset % with membership %', of_lane, of_partition, expected_offset, expected_membership
      USING ERRCODE = 'RH001';
  END IF;
END $$;
