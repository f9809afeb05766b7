import type { Connection, Submittable } from "pg";
import type { PipelineResult, Row, Statement } from "../../src/ports.ts";
import { failure } from "./failures.ts";

/** Prepared statements kept per session; beyond that the least recently used one is closed. A few tables times a few tenants fit. */
const MOST_PREPARED = 400;

/** The prepared statements of one session: SQL text → name. */
export class PreparedStatements {
  readonly #names = new Map<string, string>();
  #made = 0;

  /** The name for a text, and whether the server still has to parse it. */
  lookup(sql: string): { name: string; isNew: boolean } {
    const known = this.#names.get(sql);
    if (known !== undefined) {
      this.#names.delete(sql);
      this.#names.set(sql, known);
      return { name: known, isNew: false };
    }
    const name = `rh${++this.#made}`;
    this.#names.set(sql, name);
    return { name, isNew: true };
  }

  /** Names to close now, oldest first. */
  evict(): string[] {
    const evicted: string[] = [];
    for (const [sql, name] of this.#names) {
      if (this.#names.size <= MOST_PREPARED) break;
      this.#names.delete(sql);
      evicted.push(name);
    }
    return evicted;
  }

  /** After an error nobody knows whether the server came to parse the statement: the next use takes a new name. */
  forget(sql: string): void {
    this.#names.delete(sql);
  }
}

type RowDescription = { fields: readonly { name: string }[] };

/**
 * Several statements in one round trip: Parse (once per text), Bind, Describe, Execute for each, and one Sync, so that Postgres runs
 * them as one implicit transaction (protocol-flow, "Pipelining"). pg's Client knows this shape of object as a Submittable.
 */
export class Pipeline implements Submittable {
  readonly done: Promise<PipelineResult[]>;
  readonly #statements: readonly Statement[];
  readonly #prepared: PreparedStatements;
  readonly #results: PipelineResult[] = [];
  readonly #fresh: string[] = [];
  #names: string[] = [];
  #rows: Row[] = [];
  #error: unknown;
  #resolve: (results: PipelineResult[]) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  constructor(statements: readonly Statement[], prepared: PreparedStatements) {
    this.#statements = statements;
    this.#prepared = prepared;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  submit(connection: Connection): void {
    connection.stream.cork();
    try {
      for (const { sql, params = [] } of this.#statements) {
        const { name, isNew } = this.#prepared.lookup(sql);
        if (isNew) {
          this.#fresh.push(sql);
          connection.parse({ name, text: sql, types: [] }, true);
        }
        connection.bind({ statement: name, values: [...params] }, true);
        connection.describe({ type: "P", name: "" }, true);
        connection.execute({ portal: "", rows: "" }, true);
      }
      for (const name of this.#prepared.evict()) connection.close({ type: "S", name }, true);
      connection.sync();
    } finally {
      connection.stream.uncork();
    }
  }

  handleRowDescription(message: RowDescription): void {
    this.#names = message.fields.map((field) => field.name);
  }

  handleDataRow(message: { fields: readonly (string | null)[] }): void {
    this.#rows.push(Object.fromEntries(this.#names.map((name, index) => [name, message.fields[index] ?? null])));
  }

  handleCommandComplete(message: { text: string }): void {
    const count = /(\d+)$/.exec(message.text)?.[1];
    this.#results.push({ count: count === undefined ? 0 : Number(count), rows: this.#rows });
    this.#rows = [];
  }

  handleEmptyQuery(): void {
    this.#results.push({ count: 0, rows: [] });
  }

  handlePortalSuspended(): void {}
  handleCopyInResponse(): void {}
  handleCopyData(): void {}

  handleError(error: unknown): void {
    this.#error ??= failure(error, this.#results.length);
    for (const sql of this.#fresh) this.#prepared.forget(sql);
    this.#reject(this.#error);
  }

  handleReadyForQuery(): void {
    if (this.#error === undefined) this.#resolve(this.#results);
  }
}
