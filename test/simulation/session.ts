/** The product's port to a Postgres, over a server that is only as clever as the statements that it is asked. */

import {
  ConnectionLost,
  type Database,
  type Param,
  type PipelineResult,
  type Row,
  ServerError,
  type Session,
  type Statement,
} from "../../src/ports.ts";
import type { Process, Rates } from "./network.ts";
import type { StoreTransaction } from "./store.ts";

/** What a statement does: the keys that it locks first, looked up again until it has them all, then its effect. */
export type Prepared = {
  readonly locks?: (params: readonly Param[], transaction: StoreTransaction) => readonly string[];
  readonly run: (
    params: readonly Param[],
    transaction: StoreTransaction,
    connection: Connection,
  ) => readonly Row[] | PipelineResult | Promise<readonly Row[]>;
};

/** A session's own things at the server, beside its transaction. */
export type Connection = { readonly process: Process; readonly onClose: (() => void)[] };

export interface Server {
  readonly place: string;
  readonly rates: Rates;
  begin(): StoreTransaction;
  prepare(sql: string): Prepared;
}

const lines = new Map<string, string>();

/** A statement without its line breaks, by whose beginning it is known. */
export function oneLine(sql: string): string {
  let line = lines.get(sql);
  if (line === undefined) {
    line = sql.replaceAll(/\s+/g, " ").trim();
    lines.set(sql, line);
  }
  return line;
}

const NO_COPY = "the simulation copies rows by itself";

export class SimSession implements Session {
  readonly pid = 1;
  readonly #server: Server;
  readonly #process: Process;
  readonly #connection: Connection;
  readonly #disconnect: () => void;
  #transaction: StoreTransaction | undefined;
  #implicit: StoreTransaction | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(server: Server, process: Process) {
    this.#server = server;
    this.#process = process;
    this.#connection = { process, onClose: [] };
    this.#disconnect = process.connected(() => this.#end());
  }

  async query(sql: string, params: readonly Param[] = []): Promise<Row[]> {
    const results = await this.#inTurn(() => this.#run([{ sql, params }]));
    return [...(results[0]?.rows ?? [])];
  }

  pipeline(statements: readonly Statement[]): Promise<PipelineResult[]> {
    return this.#inTurn(() => this.#run(statements));
  }

  copyOut(): never {
    throw new RangeError(NO_COPY);
  }

  copyIn(): never {
    throw new RangeError(NO_COPY);
  }

  async close(): Promise<void> {
    this.#end();
  }

  #end(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#transaction?.rollback();
    this.#implicit?.rollback();
    for (const close of this.#connection.onClose) close();
    this.#disconnect();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #run(statements: readonly Statement[]): Promise<PipelineResult[]> {
    const request = this.#process.request();
    if (request !== undefined) await request;
    this.#checkOpen();
    const { network } = this.#process;
    const { rates } = this.#server;
    if (network.fails(rates.lostBefore)) throw this.#lost();
    const results: PipelineResult[] = [];
    try {
      for (const [index, { sql, params = [] }] of statements.entries()) {
        if (network.fails(rates.refused))
          throw new ServerError("could not serialize access", { sqlstate: "40001", statement: index });
        const result = this.#execute(sql, params);
        results.push(result instanceof Promise ? await result : result);
      }
      const implicit = this.#implicit;
      this.#implicit = undefined;
      implicit?.commit();
    } catch (error) {
      if (this.#transaction !== undefined) this.#transaction.hasFailed = true;
      this.#implicit?.rollback();
      this.#implicit = undefined;
      throw error;
    }
    if (network.fails(rates.lostAfter)) throw this.#lost();
    const travel = network.travel();
    if (travel !== undefined) await travel;
    this.#process.checkAlive();
    this.#checkOpen();
    return results;
  }

  #execute(sql: string, params: readonly Param[]): PipelineResult | Promise<PipelineResult> {
    const control = TRANSACTION_CONTROL.get(sql);
    if (control !== undefined) {
      this.#control(control);
      return NOTHING;
    }
    if (this.#transaction === undefined) this.#implicit ??= this.#server.begin();
    const transaction = this.#transaction ?? this.#implicit;
    if (transaction === undefined || transaction.hasFailed)
      throw new ServerError("current transaction is aborted, commands ignored until end of transaction block", {
        sqlstate: "25P02",
      });
    const prepared = this.#server.prepare(sql);
    const run = () => {
      const ran = prepared.run(params, transaction, this.#connection);
      return ran instanceof Promise ? ran.then(resultOf) : resultOf(ran);
    };
    const wait = locked(prepared, params, transaction);
    return wait === undefined ? run() : wait.then(run);
  }

  #control(control: Control): void {
    const transaction = this.#transaction;
    switch (control) {
      case "begin":
        this.#transaction = this.#server.begin();
        return;
      case "commit":
        this.#transaction = undefined;
        transaction?.commit();
        return;
      case "rollback":
        this.#transaction = undefined;
        transaction?.rollback();
        return;
      case "savepoint":
        transaction?.savepoint();
        return;
      case "release":
        transaction?.release();
        return;
      case "rollback to savepoint":
        transaction?.rollbackToSavepoint();
        transaction?.release();
        return;
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw new ConnectionLost("the session is closed");
  }

  #lost(): ConnectionLost {
    this.#end();
    return new ConnectionLost("the connection broke");
  }
}

const NOTHING: PipelineResult = { count: 0, rows: [] };

function resultOf(ran: readonly Row[] | PipelineResult): PipelineResult {
  return "rows" in ran ? ran : { count: ran.length, rows: ran };
}

/** Takes the statement's locks, one after the other; undefined: it has them all. */
function locked(prepared: Prepared, params: readonly Param[], transaction: StoreTransaction): Promise<void> | undefined {
  for (;;) {
    const missing = prepared.locks?.(params, transaction).find((key) => !transaction.isHeld(key));
    if (missing === undefined) return undefined;
    const wait = transaction.lock(missing);
    if (wait !== undefined) return wait.then(() => locked(prepared, params, transaction));
  }
}

type Control = "begin" | "commit" | "rollback" | "savepoint" | "release" | "rollback to savepoint";

const TRANSACTION_CONTROL: ReadonlyMap<string, Control> = new Map([
  ["BEGIN", "begin"],
  ["BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "begin"],
  ["COMMIT", "commit"],
  ["ROLLBACK", "rollback"],
  ["SAVEPOINT attempt", "savepoint"],
  ["RELEASE SAVEPOINT attempt", "release"],
  ["ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt", "rollback to savepoint"],
]);

export function database(server: Server, process: Process): Database {
  return {
    place: server.place,
    connect: async () => {
      await process.request();
      return new SimSession(server, process);
    },
    query: async (sql, params) => {
      const session = new SimSession(server, process);
      try {
        return await session.query(sql, params);
      } finally {
        await session.close();
      }
    },
    transaction: async (body) => {
      const session = new SimSession(server, process);
      try {
        await session.query("BEGIN");
        const result = await body(session);
        await session.query("COMMIT");
        return result;
      } finally {
        await session.close();
      }
    },
    close: async () => undefined,
  };
}
