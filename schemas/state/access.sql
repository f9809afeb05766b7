-- Who may use the HTTP API, and who did what through it. No reference to the migration: both outlive it.

CREATE TABLE IF NOT EXISTS rehouse.api_token (
  id           text PRIMARY KEY,             -- the part of the token that is no secret
  migration    text NOT NULL,                -- a token is good for one
  name         text NOT NULL,
  role         text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
  hash         text NOT NULL,                -- SHA-256 of the secret part, which is 256 random bits
  created_by   text NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at   timestamptz,
  revoked_at   timestamptz,
  last_used_at timestamptz                   -- to the minute
);
CREATE UNIQUE INDEX IF NOT EXISTS api_token_name ON rehouse.api_token (migration, name) WHERE revoked_at IS NULL;

-- A row is there before what it tells of is done; `outcome` says how that ended.
CREATE TABLE IF NOT EXISTS rehouse.audit (
  entry      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  migration  text NOT NULL,
  at         timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at   timestamptz,
  token      text,                           -- its id; NULL: at the command line
  name       text NOT NULL,                  -- the token's, or user@host
  role       text,
  address    text,
  action     text NOT NULL,
  tenants    text[],                         -- NULL: not about tenants, or about all of them
  request    jsonb NOT NULL DEFAULT '{}',
  operation  text,
  -- `begun` for good: the process died before it could say how it ended. `denied`: the role does not allow it.
  outcome    text NOT NULL DEFAULT 'begun' CHECK (outcome IN ('begun', 'done', 'refused', 'failed', 'cancelled', 'denied')),
  code       text                            -- the error's
);
CREATE INDEX IF NOT EXISTS audit_newest ON rehouse.audit (migration, entry);
