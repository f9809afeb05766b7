-- Where tenants live, and who has to be told.

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
