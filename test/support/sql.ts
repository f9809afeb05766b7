import { Pool, type PoolClient } from "pg";

/** Every value as the text that Postgres prints. */
export type TextRow = (string | null)[];

/** One database, asked from a test: values are text, so that nothing is lost in JavaScript's types. */
export class Sql implements AsyncDisposable {
  readonly url: string;
  readonly #pool: Pool;

  constructor(url: string, connections = 4) {
    this.url = url;
    this.#pool = new Pool({ connectionString: url, max: connections, types: { getTypeParser: () => (value: string) => value } });
    // A server that is killed on purpose ends connections that nobody asks anything of. A query on one fails by itself.
    this.#pool.on("error", () => undefined);
    this.#pool.on("connect", (client) => client.on("error", () => undefined));
  }

  async rows(sql: string, params: readonly (string | null)[] = []): Promise<TextRow[]> {
    const { rows } = await this.#pool.query<TextRow>({ text: sql, values: [...params], rowMode: "array" });
    return rows;
  }

  /** The first column of the first row. */
  async value(sql: string, params: readonly (string | null)[] = []): Promise<string | null> {
    const [row] = await this.rows(sql, params);
    return row?.[0] ?? null;
  }

  /** Several statements at once, without parameters. */
  async run(sql: string): Promise<void> {
    await this.#pool.query(sql);
  }

  /** A connection that is the caller's until it releases it. */
  async connect(): Promise<PoolClient> {
    return this.#pool.connect();
  }

  /** A connection for the time of `work`, for what has to stay in one session. */
  async session<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect();
    let failed = true;
    try {
      const result = await work(client);
      failed = false;
      return result;
    } finally {
      client.release(failed);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.end();
  }
}
