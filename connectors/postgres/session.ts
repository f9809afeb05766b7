import type { Duplex, Readable, Writable } from "node:stream";
import type { Client } from "pg";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
import { RehouseError } from "../../src/errors.ts";
import { ConnectionLost, type Param, type PipelineResult, type Row, type Session, type Statement } from "../../src/ports.ts";
import { failure } from "./failures.ts";
import { Pipeline, PreparedStatements } from "./pipeline.ts";

type Unheard = {
  readonly askAfterMs: number;
  readonly unheard: (pid: number, waitedMs: number) => Promise<string | undefined>;
};

/** One pg Client as the port's Session. Every value comes back as the server's own text. */
export class PgSession implements Session {
  readonly #client: Client;
  readonly #prepared = new PreparedStatements();
  readonly #watch: NodeJS.Timeout;
  #lost: ConnectionLost | undefined;
  /** Since when something has been waited for without a single answer, by performance.now(). */
  #waitsSince: number | undefined;
  #unanswered = 0;
  #asks = false;

  /** `unheard`: why no answer will come, for a session that has waited this long. Asked every `askAfterMs`. */
  constructor(client: Client, { askAfterMs, unheard }: Unheard) {
    this.#client = client;
    this.#watch = setInterval(() => void this.#ask(askAfterMs, unheard), askAfterMs).unref();
    // pg reports a broken connection on the client as well as on the query under way; unheard it would end the process.
    client.on("error", (error) => {
      clearInterval(this.#watch);
      this.#lost ??= new ConnectionLost(error.message, { cause: error });
    });
  }

  get pid(): number {
    return Reflect.get(this.#client, "processID") as number;
  }

  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  async query(sql: string, params?: readonly Param[]): Promise<Row[]> {
    this.#assertUsable();
    try {
      const answer: unknown = await this.#watched(
        this.#client.query<Row, Param[]>({ text: sql, ...(params === undefined ? {} : { values: [...params] }) }),
      );
      // Several statements in one text make pg answer with an array; the last one counts.
      const last: unknown = Array.isArray(answer) ? answer.at(-1) : answer;
      return (last as { rows: Row[] }).rows;
    } catch (error) {
      throw failure(error);
    }
  }

  pipeline(statements: readonly Statement[]): Promise<PipelineResult[]> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    const pipeline = new Pipeline(statements, this.#prepared);
    this.#client.query(pipeline);
    return this.#watched(pipeline.done);
  }

  copyOut(sql: string): Readable {
    this.#assertUsable();
    return this.#client.query(translated(copyTo(sql)));
  }

  copyIn(sql: string): Writable {
    this.#assertUsable();
    return this.#client.query(translated(copyFrom(sql)));
  }

  async close(force = false): Promise<void> {
    clearInterval(this.#watch);
    const ended = this.#client.end().catch(() => undefined);
    // A statement under way would be waited for; without the socket the server rolls back.
    if (force) this.#socket.destroy();
    await ended;
  }

  get #socket(): Duplex {
    return Reflect.get(Reflect.get(this.#client, "connection") as object, "stream") as Duplex;
  }

  #watched<T>(answer: Promise<T>): Promise<T> {
    this.#waitsSince ??= performance.now();
    this.#unanswered++;
    const answered = () => {
      this.#unanswered--;
      this.#waitsSince = this.#unanswered === 0 ? undefined : performance.now();
    };
    answer.then(answered, answered);
    return answer;
  }

  async #ask(askAfterMs: number, unheard: Unheard["unheard"]): Promise<void> {
    const since = this.#waitsSince;
    if (this.#asks || since === undefined || performance.now() - since < askAfterMs) return;
    this.#asks = true;
    const why = await unheard(this.pid, performance.now() - since);
    this.#asks = false;
    // What was answered meanwhile was heard after all.
    if (why !== undefined && this.#waitsSince === since) this.#socket.destroy(new Error(why));
  }

  #assertUsable(): void {
    if (this.#lost !== undefined) throw this.#lost;
  }
}

/**
 * A COPY's failure reaches the stream through its `handleError`, whether the server answers with it or the connection breaks; here it becomes one
 * of the port's two. A COPY that nobody reads any more may still fail: unheard, that would end the process. Its reader hears it all the same.
 */
function translated<T extends Readable | Writable>(stream: T): T {
  const handleError: unknown = Reflect.get(stream, "handleError");
  if (typeof handleError !== "function")
    throw new RehouseError("REHOUSE_INTERNAL", {
      what: "this version of pg-copy-streams has another COPY than Rehouse knows",
      fix: "install pg-copy-streams 7",
    });
  Reflect.set(stream, "handleError", (error: unknown) => Reflect.apply(handleError, stream, [failure(error)]));
  stream.on("error", () => undefined);
  return stream;
}
