-- What is compared, what came of it, and what differs.

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
