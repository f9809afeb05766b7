-- How fast the move may go: what the controller found, and what operators have set.

-- The controller's last word, written by the process that holds the controller's lock. Workers drop one that is older than a few seconds.
CREATE TABLE IF NOT EXISTS rehouse.throttle (
  migration  text PRIMARY KEY REFERENCES rehouse.migration ON DELETE CASCADE,
  pace       double precision NOT NULL,      -- 0 stands still, 1 is full speed
  spares     boolean NOT NULL,               -- whether apply goes on at full speed: what slows the rest is a lag
  because    jsonb,                          -- {signal, value, limit, since} while the pace is below 1
  signals    jsonb NOT NULL,                 -- [{signal, value, limit, level}], as measured last
  decided_at timestamptz NOT NULL
);

-- Its changes, the newest few hundred.
CREATE TABLE IF NOT EXISTS rehouse.throttle_change (
  change    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  migration text NOT NULL REFERENCES rehouse.migration ON DELETE CASCADE,
  at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  pace      double precision NOT NULL,
  because   jsonb
);
CREATE INDEX IF NOT EXISTS throttle_change_of ON rehouse.throttle_change (migration, change);

-- The operator's ceilings; role '' stands for all of them.
CREATE TABLE IF NOT EXISTS rehouse.pace (
  migration text NOT NULL REFERENCES rehouse.migration ON DELETE CASCADE,
  role      text NOT NULL,
  pace      double precision NOT NULL,
  set_by    text NOT NULL,
  set_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  until     timestamptz,                     -- NULL: until somebody sets another one
  PRIMARY KEY (migration, role)
);
-- Who has set rehouse.migration.state to paused, and for how long.
CREATE TABLE IF NOT EXISTS rehouse.pause (
  migration text PRIMARY KEY REFERENCES rehouse.migration ON DELETE CASCADE,
  set_by    text NOT NULL,
  set_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  until     timestamptz                      -- NULL: until resume
);
