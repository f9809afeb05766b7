-- A tenant on its way from one home to the other, and after that.

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
