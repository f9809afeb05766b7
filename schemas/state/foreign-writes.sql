-- Rows at the target that somebody else wrote, and the triggers that notice them.

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
