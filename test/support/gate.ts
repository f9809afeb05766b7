import type { PoolClient } from "pg";
import { GiveUp } from "../../stack/index.ts";
import type { Sql } from "./sql.ts";

/** Who has to wait: the copy at its gate, apply at one of its own. */
const KEYS = { copy: 4711, apply: 4712 } as const;
export type GateName = keyof typeof KEYS;

/**
 * SQL for a target table that is there before the migration: it lets `passes` statements write to it, and the next ones wait while the gate is
 * closed. So a copy can be held at a known place, to have something happen there. What backfill inserts is written down, row by row.
 */
export function gateSql(table: string, passes: number): string {
  return `
    CREATE SEQUENCE gate_passes;
    CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF current_setting('application_name') LIKE '%backfill%' AND nextval('gate_passes') > ${passes} THEN PERFORM pg_advisory_xact_lock_shared(${KEYS.copy}); END IF;
      RETURN NULL;
    END $$;
    CREATE TABLE copied (id bigint);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF current_setting('application_name') LIKE '%backfill%' THEN INSERT INTO public.copied SELECT id FROM arrived; END IF;
      RETURN NULL;
    END $$;
    CREATE TRIGGER gate BEFORE INSERT ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION gate();
    CREATE TRIGGER note AFTER INSERT ON ${table} REFERENCING NEW TABLE AS arrived FOR EACH STATEMENT EXECUTE FUNCTION note();
    ALTER TABLE ${table} ENABLE ALWAYS TRIGGER gate;
    ALTER TABLE ${table} ENABLE ALWAYS TRIGGER note;`;
}

/** SQL for target tables that are there before the migration: while its gate is closed, apply writes to none of them. */
export function applyGateSql(tables: readonly string[]): string {
  return `
    CREATE FUNCTION apply_gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF current_setting('application_name') LIKE '% apply' THEN PERFORM pg_advisory_xact_lock_shared(${KEYS.apply}); END IF;
      RETURN NULL;
    END $$;
    ${tables
      .map(
        (
          table,
        ) => `CREATE TRIGGER apply_gate BEFORE INSERT OR UPDATE ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION apply_gate();
          ALTER TABLE ${table} ENABLE ALWAYS TRIGGER apply_gate;`,
      )
      .join("\n")}`;
}

/** Closed from the beginning; {@link open} lets everybody through. */
export class Gate implements AsyncDisposable {
  readonly #target: Sql;
  readonly #holder: PoolClient;
  readonly #key: number;
  #isOpen = false;
  #lost: Error | undefined;

  private constructor(target: Sql, holder: PoolClient, key: number) {
    this.#target = target;
    this.#holder = holder;
    this.#key = key;
    holder.on("error", (error) => {
      this.#lost ??= error;
    });
  }

  static async close(target: Sql, name: GateName = "copy"): Promise<Gate> {
    const holder = await target.connect();
    await holder.query(`SELECT pg_advisory_lock(${KEYS[name]})`);
    return new Gate(target, holder, KEYS[name]);
  }

  /** Whether somebody stands before it. */
  async isWaitedFor(): Promise<boolean> {
    if (this.#lost !== undefined) throw new GiveUp(`nobody keeps the gate closed any more: ${this.#lost.message}`);
    const waiting = await this.#target.value(
      `SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database
        WHERE locktype = 'advisory' AND objid = ${this.#key} AND NOT granted AND datname = current_database()`,
    );
    return waiting !== "0";
  }

  async open(): Promise<void> {
    if (this.#isOpen) return;
    this.#isOpen = true;
    // Its server may have been killed meanwhile, and nobody is held any more.
    await this.#holder.query(`SELECT pg_advisory_unlock(${this.#key})`).catch(() => undefined);
    this.#holder.release(true);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.open();
  }
}
