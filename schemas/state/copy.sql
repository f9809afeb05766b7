-- What is copied together, from which snapshots, and how far.

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
