import type { ConnectionOptions } from "node:tls";
import { Client, type ClientConfig } from "pg";
import type { Database, Param, Row, Session } from "../../src/ports.ts";
import { connectFailure } from "./failures.ts";
import { PgSession } from "./session.ts";
import {
  CANONICAL_SETTINGS,
  KEEPALIVE_AFTER_MS,
  KEEPALIVE_SETTINGS,
  POOLED_PATH,
  SESSION_PATH,
  startupOptions,
} from "./settings.ts";
import { ASK_AFTER_MS, whyUnheard } from "./unheard.ts";
import { connectionTo } from "./url.ts";

export type DatabaseAddress = {
  /** postgres://user:password@host:port/database */
  readonly url: string;
  readonly tls?: ConnectionOptions | boolean | undefined;
  readonly applicationName?: string;
  readonly connectTimeoutMs?: number;
  /** How long a session waits for an answer before it asks whether there will be one. */
  readonly askAfterMs?: number;
};

/** Statements without a session of their own are few and short (state, catalogs); four at once are plenty. */
const POOLED = 4;

/** Every value as text: Postgres' own words, not JavaScript's reading of them. */
const AS_TEXT = { getTypeParser: () => (value: string | Buffer) => value };

/** A Postgres server's database. Connections are opened when they are first needed. */
export function createDatabase(address: DatabaseAddress): Database {
  return new PgDatabase(address);
}

class PgDatabase implements Database {
  readonly place: string;
  readonly #address: DatabaseAddress;
  readonly #idle: PgSession[] = [];
  readonly #waiting: ((session: PgSession | undefined) => void)[] = [];
  #open = 0;

  constructor(address: DatabaseAddress) {
    this.#address = address;
    this.place = placeOf(address.url);
  }

  async connect(
    options: { readonly name?: string; readonly settings?: Readonly<Record<string, string>> } = {},
  ): Promise<PgSession> {
    const client = new Client(clientConfig(this.#address, options));
    // Before it connects: the server may end the connection in the same packet that grants it.
    const session = new PgSession(client, {
      askAfterMs: this.#address.askAfterMs ?? ASK_AFTER_MS,
      unheard: (pid, waitedMs) => whyUnheard(() => this.connect(), pid, waitedMs),
    });
    try {
      await client.connect();
    } catch (error) {
      void session.close();
      throw connectFailure(error, this.place);
    }
    return session;
  }

  async query(sql: string, params?: readonly Param[]): Promise<Row[]> {
    return this.#withSession((session) => session.query(sql, params));
  }

  async transaction<T>(body: (session: Session) => Promise<T>): Promise<T> {
    return this.#withSession(async (session) => {
      await session.query("BEGIN");
      try {
        const result = await body(session);
        await session.query("COMMIT");
        return result;
      } catch (error) {
        await session.query("ROLLBACK").catch(() => undefined);
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map((session) => session.close()));
  }

  async #withSession<T>(body: (session: PgSession) => Promise<T>): Promise<T> {
    const session = await this.#take();
    try {
      return await body(session);
    } finally {
      this.#giveBack(session);
    }
  }

  async #take(): Promise<PgSession> {
    const idle = this.#idle.pop();
    if (idle !== undefined && !idle.isLost) return idle;
    if (idle !== undefined) this.#open--;
    if (this.#open >= POOLED) {
      const handed = await new Promise<PgSession | undefined>((resolve) => this.#waiting.push(resolve));
      if (handed !== undefined) return handed;
    }
    this.#open++;
    try {
      return await this.connect({ settings: POOLED_PATH });
    } catch (error) {
      this.#open--;
      this.#waiting.shift()?.(undefined);
      throw error;
    }
  }

  #giveBack(session: PgSession): void {
    const next = this.#waiting.shift();
    if (session.isLost) {
      this.#open--;
      next?.(undefined);
    } else if (next !== undefined) {
      next(session);
    } else {
      this.#idle.push(session);
    }
  }
}

/** The pg configuration of a session; the replication connection uses the same. */
export function clientConfig(
  address: DatabaseAddress,
  options: { readonly name?: string; readonly settings?: Readonly<Record<string, string>> } = {},
): ClientConfig {
  return {
    ...connectionTo(address.url, address.tls),
    application_name: options.name ?? address.applicationName ?? "rehouse",
    connectionTimeoutMillis: address.connectTimeoutMs ?? 10_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_AFTER_MS,
    options: startupOptions({ ...CANONICAL_SETTINGS, ...KEEPALIVE_SETTINGS, ...SESSION_PATH, ...options.settings }),
    types: AS_TEXT,
  };
}

export function placeOf(url: string): string {
  const parsed = new URL(url);
  return `${parsed.hostname}:${parsed.port === "" ? "5432" : parsed.port}${parsed.pathname}`;
}
