-- The fence that holds back the writers of a tenant (src/fence).

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
  in_place    jsonb,                         -- of a table that stays where it is: {refused, passing}, the columns of either kind of writers
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

-- False: a switch has had the lock for too long. Whoever waits may have a row, of an earlier SELECT ... FOR UPDATE, that the switch waits for.
CREATE OR REPLACE FUNCTION rehouse.await_fence(tenant_lock bigint) RETURNS boolean
  LANGUAGE plpgsql SET search_path = pg_catalog SET lock_timeout = '2s' AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(tenant_lock);
  RETURN true;
EXCEPTION WHEN lock_not_available THEN
  RETURN false;
END $$;

-- The same in a table that stays where it is (src/fence/in-place.ts), for a writer of the kind that is refused once the tenant has moved, or of
-- the other one. The fence of the other side has triggers on the same table, and holds that one back: two locks taken here in whatever order would
-- have a switch wait for writers that wait for it. Nor may a writer wait who has a row that is yet to be brought in step behind the fence (`waits`).
CREATE OR REPLACE FUNCTION rehouse.pass_fence_in_place(
  of_migration text, of_tenant text, tenant_lock bigint, signal regclass, is_refused_kind boolean, waits boolean
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  newest bigint := pg_sequence_last_value(signal);
  moved_generation bigint;
BEGIN
  -- Without the lock: what they write has to come in step while a switch has it.
  IF current_setting('rehouse.writer', true) = 'on' THEN
    RETURN;
  END IF;
  IF newest < 0 AND is_refused_kind IS NOT TRUE THEN
    SELECT generation INTO moved_generation FROM rehouse.fence WHERE migration = of_migration AND tenant = of_tenant AND state = 'moved';
    IF moved_generation = -newest THEN
      RETURN;
    END IF;
  END IF;
  IF NOT (CASE WHEN waits THEN rehouse.await_fence(tenant_lock) ELSE pg_try_advisory_xact_lock_shared(tenant_lock) END) THEN
    PERFORM rehouse.refuse_writer('fenced', of_migration, of_tenant, NULL, abs(newest));
  END IF;
  BEGIN
    PERFORM rehouse.pass_fence(of_migration, of_tenant, tenant_lock, signal);
  EXCEPTION WHEN SQLSTATE 'RH011' THEN
    -- The switch that was waited for was made, and this is how its tenant is written from now on.
    IF is_refused_kind THEN
      RAISE;
    END IF;
  END;
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

-- A row that nobody has any more is of neither kind.
CREATE OR REPLACE FUNCTION rehouse.pass_fence_truncating_in_place(of_migration text, tenants text[], tenant_locks bigint[], signals regclass[])
  RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  FOR place IN 1 .. cardinality(tenants) LOOP
    PERFORM rehouse.pass_fence_in_place(of_migration, tenants[place], tenant_locks[place], signals[place], false, false);
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
