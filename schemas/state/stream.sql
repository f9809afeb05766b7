-- The way of a change: from the stream, through the lanes, to the target; and where that stopped or came too late.

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

-- Stands where an upsert would write over another tenant's row (src/apply/tenant-at-target.ts), and is only asked for its value where it is one.
CREATE OR REPLACE FUNCTION rehouse.refuse_row_of_another(owner text, tenant text, target text, key text[]) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  RAISE EXCEPTION 'in %, the row with key % is of tenant %, and would become one of tenant %', target, array_to_string(key, ', ', 'NULL'),
    coalesce(owner, 'NULL'), tenant
    USING ERRCODE = 'RH003', DETAIL = jsonb_build_object('owner', owner);
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

-- Until the end of the transaction the lane is as its reader knows it; fails where it is not. Whoever changes a lane's tenants waits meanwhile.
CREATE OR REPLACE FUNCTION rehouse.hold_lane(of_migration text, of_partition int, of_lane text, expected_membership bigint) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  PERFORM FROM rehouse.lane
    WHERE migration = of_migration AND partition = of_partition AND lane = of_lane AND membership = expected_membership FOR SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'lane % of partition % no longer has membership %', of_lane, of_partition, expected_membership USING ERRCODE = 'RH001';
  END IF;
END $$;

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
