/** Two databases, a topic in memory, and the apply stage between them. */

import { createDatabase } from "../../../connectors/postgres/database.ts";
import { type ApplyDeps, joinLanes, runApply } from "../../../src/apply/index.ts";
import type { RehouseError } from "../../../src/errors.ts";
import { createLogger, levelOf } from "../../../src/log.ts";
import type { Mapping, TableMapping } from "../../../src/model/mapping.ts";
import { formatLsn, type Lsn, ZERO_LSN } from "../../../src/model/position.ts";
import { stateSql } from "../../../src/package.ts";
import type { Database, Row } from "../../../src/ports.ts";
import { type FreshDatabases, freshDatabases, waitUntil } from "../../support/index.ts";
import { MemoryTopic } from "./topic.ts";

export const MIGRATION = "m";
const STATE_SQL = stateSql();

export type SceneOptions = {
  readonly tables: readonly TableMapping[];
  readonly schemaTemplate?: string;
  /** Run on both sides before anything else; `on` only there. */
  readonly source?: string;
  readonly target: string;
  /** Source and target are one database. */
  readonly inOneDatabase?: boolean;
  /** Instead of the superuser, apply as a role that may not switch triggers off. */
  readonly plainRole?: boolean;
};

export type NewUnit = {
  readonly tenant: string;
  readonly startOffset?: number;
  /** As pg_current_snapshot() prints it; by default it sees nothing. */
  readonly snapshot?: string;
  readonly settleLsn?: Lsn;
};

export class Scene implements AsyncDisposable {
  readonly topic: MemoryTopic;
  readonly mapping: Mapping;
  readonly source: Database;
  readonly target: Database;
  /** As the apply stage sees it. */
  readonly applier: Database;
  /** What lanes said that they wait out, in order. */
  readonly reports: (RehouseError | undefined)[] = [];
  paused = false;
  readonly #databases: FreshDatabases;
  readonly #role: string | undefined;
  readonly #running = new Set<{ stop: AbortController; done: Promise<void> }>();

  private constructor(databases: FreshDatabases, options: SceneOptions, role: string | undefined) {
    this.#databases = databases;
    this.#role = role;
    this.mapping = {
      migration: MIGRATION,
      tables: options.tables,
      schemaTemplate: options.schemaTemplate,
      tenantColumnAtTarget: "keep",
    };
    this.topic = new MemoryTopic(options.tables);
    this.source = createDatabase({ url: databases.sourceUrl });
    const targetUrl = options.inOneDatabase === true ? databases.sourceUrl : databases.targetUrl;
    this.target = createDatabase({ url: targetUrl });
    this.applier = role === undefined ? this.target : createDatabase({ url: withUser(targetUrl, role) });
  }

  static async open(options: SceneOptions): Promise<Scene> {
    const databases = await freshDatabases();
    const role = options.plainRole === true ? databases.name : undefined;
    const scene = new Scene(databases, options, role);
    await scene.source.query(options.source ?? "SELECT 1");
    await scene.target.query(STATE_SQL);
    await scene.target.query(options.target);
    await scene.target.query("INSERT INTO rehouse.migration (name, digest, partitions, version) VALUES ($1, '', 1, '0')", [
      MIGRATION,
    ]);
    await scene.target.query("INSERT INTO rehouse.lane (migration, partition, lane, next_offset) VALUES ($1, 0, 'main', 0)", [
      MIGRATION,
    ]);
    if (role !== undefined) await scene.target.query(grants(role));
    return scene;
  }

  /** Units that are copied, put on lanes as control does it. */
  async join(units: readonly NewUnit[], lateLane = "late-1"): Promise<void> {
    await this.target.transaction(async (session) => {
      for (const { tenant, startOffset = 0, snapshot = "1:1:", settleLsn = ZERO_LSN } of units) {
        const [epoch] = await session.query(
          "INSERT INTO rehouse.epoch (migration, wave, snapshot, exported, wal_lsn) VALUES ($1, 1, $2, '', '0/0') RETURNING epoch",
          [MIGRATION, snapshot],
        );
        const kind = tenant === "*" ? "whole" : tenant === "(shared)" ? "shared" : "tenant";
        await session.query(
          `INSERT INTO rehouse.tenant (migration, tenant, kind, partition, phase, start_offset, first_epoch, settle_lsn)
           VALUES ($1, $2, $3, 0, 'catching-up', $4, $5, $6)`,
          [MIGRATION, tenant, kind, String(startOffset), epoch?.["epoch"] ?? null, formatLsn(settleLsn)],
        );
      }
      const tenants = units.map(({ tenant }) => tenant);
      await joinLanes((sql, params) => session.query(sql, params), MIGRATION, tenants, lateLane);
    });
  }

  /** One process of the role apply. Ended with the scene, or by `stop`, which rejects with what it ended with. */
  apply(over: Partial<ApplyDeps> = {}): { stop(): Promise<void>; done: Promise<void> } {
    const stop = new AbortController();
    const deps: ApplyDeps = {
      migration: MIGRATION,
      mapping: this.mapping,
      source: this.source,
      target: this.applier,
      topic: this.topic.port,
      registry: this.topic.registry,
      mainReader: () => this.topic.reader(),
      lateReader: () => this.topic.reader(),
      foreignWrites: "alert",
      paused: () => this.paused,
      report: (error) => this.reports.push(error),
      log: createLogger(process.env["REHOUSE_LOG"] === undefined ? "silent" : levelOf(process.env["REHOUSE_LOG"])),
      ...over,
    };
    const done = runApply(deps, stop.signal);
    const running = { stop, done };
    this.#running.add(running);
    done.catch(() => undefined);
    return {
      done,
      stop: async () => {
        stop.abort();
        this.#running.delete(running);
        await done;
      },
    };
  }

  /** Waits until every lane with tenants stands at the topic's end. */
  async caughtUp(): Promise<void> {
    await waitUntil(
      async () => {
        const behind = await this.target.query(
          `SELECT l.lane, l.next_offset FROM rehouse.lane AS l
            WHERE next_offset < $1 AND EXISTS (SELECT FROM rehouse.tenant AS t WHERE t.partition = l.partition AND t.lane = l.lane)`,
          [String(this.topic.head)],
        );
        return behind.length === 0;
      },
      { deadlineMs: 20_000, what: "every lane to stand at the end of the topic" },
    );
  }

  /** Waits until the tenant stands still; resolves to why. */
  stopped(tenant: string): Promise<Record<string, unknown>> {
    return waitUntil(
      async () => {
        const [row] = await this.target.query("SELECT stopped::text AS stopped FROM rehouse.tenant WHERE tenant = $1", [tenant]);
        const parsed: unknown = JSON.parse(row?.["stopped"] ?? "null");
        return parsed === null ? undefined : (parsed as Record<string, unknown>);
      },
      { deadlineMs: 20_000, what: `tenant ${tenant} to stop` },
    );
  }

  async lane(name = "main"): Promise<Row | undefined> {
    const [row] = await this.target.query("SELECT * FROM rehouse.lane WHERE lane = $1", [name]);
    return row;
  }

  async tenant(name: string): Promise<Row> {
    const [row] = await this.target.query("SELECT * FROM rehouse.tenant WHERE tenant = $1", [name]);
    if (row === undefined) throw new Error(`no tenant ${name}`);
    return row;
  }

  /** Every row of a query, its values in order; NULL as "null". */
  async rows(sql: string): Promise<string[]> {
    const rows = await this.target.query(sql);
    return rows.map((row) => Object.values(row).map(String).join(" "));
  }

  /** Sessions of the apply stage, and what they are doing. */
  sessions(): Promise<Row[]> {
    return this.target.query(
      `SELECT state, application_name FROM pg_stat_activity
        WHERE datname = current_database() AND (application_name LIKE '% apply' OR application_name LIKE '% lane')`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { stop } of this.#running) stop.abort();
    await Promise.allSettled([...this.#running].map(({ done }) => done));
    if (this.#role !== undefined) {
      await this.applier.close();
      await this.target.query(`DROP OWNED BY ${this.#role}`);
    }
    const role = this.#role;
    if (role !== undefined) await this.target.query(`DROP ROLE ${role}`);
    await Promise.all([this.source.close(), this.target.close()]);
    await this.#databases.drop();
  }
}

function withUser(url: string, role: string): string {
  const changed = new URL(url);
  changed.username = role;
  changed.password = role;
  return changed.href;
}

function grants(role: string): string {
  return `
    CREATE ROLE ${role} LOGIN PASSWORD '${role}';
    GRANT USAGE ON SCHEMA rehouse, public TO ${role};
    GRANT ALL ON ALL TABLES IN SCHEMA rehouse, public TO ${role};
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA rehouse, public TO ${role}`;
}
