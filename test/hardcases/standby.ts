/** A standby of a Postgres server of this machine: a copy of its files that follows its WAL, and keeps copies of its failover slots. */

import { execFile } from "node:child_process";
import { cp, mkdir, writeFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { promisify } from "node:util";
import { Client } from "pg";
import { Guard } from "../../stack/embedded/guard.ts";
import { postgresPrograms, postgresServer } from "../../stack/embedded/postgres.ts";
import type { Server } from "../../stack/embedded/server.ts";
import { freePorts } from "../../stack/ports.ts";
import { Sql, waitUntil } from "../support/index.ts";

/** The physical slot by which it follows; the primary's synchronized_standby_slots names it. */
export const STANDBY_SLOT = "standby";

/** What a standby does not take over: where the primary runs, its slots, and the WAL that it is sent anyway. */
const NOT_COPIED = new Set(["postmaster.pid", "postmaster.opts", "pg_replslot", "pg_wal"]);

type Serve = (port: number) => ReturnType<typeof postgresServer>;
type Running = { readonly server: Server; readonly sql: Sql };

export class Standby implements AsyncDisposable {
  readonly #guard: Guard;
  readonly #serve: Serve;
  #running: Running;

  private constructor(guard: Guard, serve: Serve, running: Running) {
    this.#guard = guard;
    this.#serve = serve;
    this.#running = running;
  }

  /** `url`: a superuser's, of a database of the primary. */
  static async of(url: string): Promise<Standby> {
    const guard = await Guard.start();
    try {
      const programs = await postgresPrograms(guard);
      const [port = 0] = await freePorts(1);
      const home = join(guard.folder, "standby");
      const data = join(home, "data");
      await mkdir(home, { mode: 0o700 });
      await copyCluster(url, data);
      await Promise.all([
        writeFile(join(data, "standby.signal"), ""),
        ...["pg_wal", "pg_replslot"].map((folder) => mkdir(join(data, folder), { mode: 0o700 })),
      ]);
      const { user } = programs;
      if ("uid" in user) await promisify(execFile)("chown", ["-R", `${user.uid}:${user.gid}`, home]);
      const primary = new URL(url);
      const settings = {
        hot_standby_feedback: "on",
        sync_replication_slots: "on",
        primary_slot_name: STANDBY_SLOT,
        primary_conninfo: `host=${primary.hostname} port=${primary.port} user=${primary.username} password=${primary.password} dbname=postgres`,
      };
      const serve: Serve = (on) =>
        postgresServer(guard, programs, { name: "standby", port: on, password: primary.password, settings, home, data });
      const { server, urlOf } = serve(port);
      await server.start();
      return new Standby(guard, serve, { server, sql: new Sql(urlOf("postgres")) });
    } catch (error) {
      await guard.stop();
      throw error;
    }
  }

  /** Waits until it has a copy of the slot that it may use once it is the primary. */
  async hasSlot(slot: string): Promise<void> {
    const ready = () =>
      this.#running.sql.value(
        "SELECT synced AND NOT temporary AND invalidation_reason IS NULL FROM pg_replication_slots WHERE slot_name = $1",
        [slot],
      );
    await waitUntil(async () => (await ready()) === "t", { deadlineMs: 60_000, what: `the standby to have ${slot}` });
  }

  /** It is the primary from now on, at the address of the one before, which has ended. */
  async takeOver(port: number): Promise<void> {
    await this.#running.sql.value("SELECT pg_promote()");
    await this.#running.sql[Symbol.asyncDispose]();
    await this.#running.server.kill();
    const { server, urlOf } = this.#serve(port);
    await server.start();
    this.#running = { server, sql: new Sql(urlOf("postgres")) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running.sql[Symbol.asyncDispose]();
    await this.#guard.stop();
  }
}

/** A backup of the running server, as the manual has it under "Making a Base Backup Using the Low Level API". */
async function copyCluster(url: string, to: string): Promise<void> {
  const primary = new Client({ connectionString: url });
  await primary.connect();
  try {
    const { rows } = await primary.query<{ data_directory: string }>("SHOW data_directory");
    const from = rows[0]?.data_directory ?? "";
    await primary.query("SELECT pg_create_physical_replication_slot($1, true)", [STANDBY_SLOT]);
    await primary.query("SELECT pg_backup_start('standby', true)");
    await cp(from, to, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !NOT_COPIED.has(relative(from, path).split(sep)[0] ?? ""),
    });
    const ended = await primary.query<{ labelfile: string }>("SELECT labelfile FROM pg_backup_stop(false)");
    await writeFile(join(to, "backup_label"), ended.rows[0]?.labelfile ?? "");
  } finally {
    await primary.end();
  }
}
