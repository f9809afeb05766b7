/** The source's replication connection: the stream of one slot, and the making of slots. */

import { Client, type ClientConfig } from "pg";
import { LogicalReplicationService } from "pg-logical-replication";
import { RehouseError } from "../../src/errors.ts";
import { asLsn, formatLsn, type Lsn, parseLsn } from "../../src/model/position.ts";
import { ident } from "../../src/model/sql.ts";
import type { ReplicationStream, SlotMaker, StreamListeners } from "../../src/ports.ts";
import { clientConfig, type DatabaseAddress, placeOf } from "./database.ts";
import { connectFailure, failure } from "./failures.ts";
import { type PgoutputDecoder, PgoutputPlugin } from "./pgoutput.ts";
import { readTimelines } from "./timelines.ts";

/** An empty path: a value of type regclass and its kind is then always printed with its schema, as native logical replication does. */
const REPLICATION_SETTINGS = { search_path: "" } as const;

export type SlotAddress = DatabaseAddress & { readonly slot: string; readonly publication: string };

/** A stream of one slot. One run at a time. */
export function createReplicationStream(address: SlotAddress): ReplicationStream {
  return new PgReplicationStream(address);
}

class PgReplicationStream implements ReplicationStream {
  readonly #address: SlotAddress;
  #service: LogicalReplicationService | undefined;
  #socket: PgConnection["stream"] | undefined;

  constructor(address: SlotAddress) {
    this.#address = address;
  }

  async run(from: Lsn | undefined, on: StreamListeners, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { slot, publication } = this.#address;
    const plugin = new StreamPlugin({ publication });
    // Its own acknowledgements say that what was received is durable, which only the engine can know.
    const service = new LogicalReplicationService(replicationConfig(this.#address), {
      acknowledge: { auto: false, timeoutSeconds: 0 },
      flowControl: { enabled: false },
    });
    this.#service = service;
    const ended = this.#listen(service, plugin, on, signal);
    const place = from === undefined ? "0/0" : formatLsn(from);
    const subscription = service.subscribe(plugin, slot, place).then(() => {
      throw failure(new Error("the server ended the replication stream"));
    });
    try {
      await Promise.race([ended, subscription]);
    } catch (error) {
      throw this.#failure(error, plugin.connection !== undefined);
    } finally {
      this.#service = undefined;
      this.#socket = undefined;
      await end(service);
      // Not waited for: pg never settles a connect() that is ended meanwhile. One that has come through all the same is ended, too.
      subscription.catch(() => end(service));
    }
  }

  /** Settles when `signal` aborts, a callback throws or the connection fails; nothing is called afterwards. */
  #listen(service: LogicalReplicationService, plugin: StreamPlugin, on: StreamListeners, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      let live = true;
      const guarded = (body: () => void) => {
        if (!live) return;
        try {
          body();
        } catch (error) {
          live = false;
          reject(new CallbackFailed(error));
        }
      };
      signal.addEventListener(
        "abort",
        () => {
          live = false;
          resolve();
        },
        { once: true },
      );
      service.on("start", () => {
        this.#socket = plugin.connection?.stream;
        guarded(() => on.started());
      });
      plugin.onConnected = async (client) => {
        signal.throwIfAborted();
        const history = await readTimelines(client);
        await on.connected(history).catch((error: unknown) => {
          throw new CallbackFailed(error);
        });
      };
      plugin.onCopyData = (bytes) => guarded(() => dispatch(bytes, plugin.decoder, on));
      // The same failure also rejects `subscribe`; unheard here it would end the process.
      service.on("error", reject);
    });
  }

  acknowledge(flushed: Lsn): void {
    // The library sends what it is given plus one, as it takes it for the last byte that arrived.
    if (flushed > 0n) void this.#service?.acknowledge(formatLsn(asLsn(flushed - 1n))).catch(() => undefined);
  }

  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  #failure(error: unknown, connected: boolean): unknown {
    if (error instanceof CallbackFailed) return error.cause;
    return connected ? failure(error) : connectFailure(error, placeOf(this.#address.url));
  }
}

/** Without a farewell: a server that is silent would never answer it. */
async function end(service: LogicalReplicationService): Promise<void> {
  const client: unknown = Reflect.get(service, "_client");
  if (typeof client === "object" && client !== null) connectionOf(client).stream.destroy();
  await service.destroy().catch(() => undefined);
}

/** Keeps what a callback threw apart from what the connection reports. */
class CallbackFailed extends Error {
  constructor(cause: unknown) {
    super("a listener of the replication stream failed", { cause });
  }
}

const XLOG_DATA = 0x77;
const KEEPALIVE = 0x6b;
/** Kind, start and end of the WAL that it covers, the server's clock. */
const XLOG_DATA_HEAD = 1 + 8 + 8 + 8;

/** A message of the replication protocol (manual, "Streaming Replication Protocol", START_REPLICATION). */
function dispatch(bytes: Buffer, decoder: PgoutputDecoder, on: StreamListeners): void {
  if (bytes[0] === XLOG_DATA) {
    const message = decoder.decode(bytes, XLOG_DATA_HEAD);
    if (message !== undefined) on.message(message);
  } else if (bytes[0] === KEEPALIVE) on.keepalive(asLsn(bytes.readBigUInt64BE(1)), bytes[17] === 1);
  else throw new RangeError(`the server sent a replication message of an unknown kind: ${bytes[0]}`);
}

/**
 * Takes the stream's bytes from the connection itself. The library's own listener makes two strings, a promise and a view of each
 * message before anybody sees it, which is a seventh of capture's whole cost; and it offers no pause that leaves reading to its user.
 */
class StreamPlugin extends PgoutputPlugin {
  connection: PgConnection | undefined;
  onConnected: (client: Client) => Promise<void> = async () => undefined;
  onCopyData: (bytes: Buffer) => void = () => undefined;

  override async start(client: Client, slot: string, from: string): Promise<unknown> {
    this.connection = connectionOf(client);
    await this.onConnected(client);
    this.connection.removeAllListeners("copyData");
    this.connection.on("copyData", ({ chunk }) => this.onCopyData(chunk));
    return super.start(client, slot, from);
  }
}

/** What is used of pg's connection, which is not in pg's types. */
type PgConnection = {
  readonly stream: { pause(): unknown; resume(): unknown; destroy(): unknown };
  on(event: "copyData", listener: (message: { readonly chunk: Buffer }) => void): unknown;
  removeAllListeners(event: "copyData"): unknown;
};

function connectionOf(client: object): PgConnection {
  const connection: unknown = Reflect.get(client, "connection");
  if (!isPgConnection(connection))
    throw new RehouseError("REHOUSE_INTERNAL", {
      what: "this version of pg has another connection than Rehouse knows",
      fix: "install pg 8",
    });
  return connection;
}

function isPgConnection(value: unknown): value is PgConnection {
  return has(value, ["on", "removeAllListeners"]) && has(Reflect.get(value, "stream"), ["pause", "resume", "destroy"]);
}

function has(value: unknown, methods: readonly string[]): value is object {
  return typeof value === "object" && value !== null && methods.every((name) => typeof Reflect.get(value, name) === "function");
}

function replicationConfig(address: DatabaseAddress): ClientConfig & { readonly replication: "database" } {
  return { ...clientConfig(address, { settings: REPLICATION_SETTINGS }), replication: "database" };
}

/**
 * Makes slots on a replication connection of its own, since only there a slot's snapshot can be exported. `failover`: standbys keep a copy of
 * it, since version 17.
 */
export function createSlotMaker(address: DatabaseAddress, { failover = false }: { failover?: boolean } = {}): SlotMaker {
  return {
    async create(slot, signal) {
      signal.throwIfAborted();
      const client = new Client(replicationConfig(address));
      client.on("error", () => undefined);
      const release = () => client.end().catch(() => undefined);
      try {
        await client.connect();
      } catch (error) {
        void release();
        throw connectFailure(error, placeOf(address.url));
      }
      // The command may wait for a long transaction; closing the connection is what ends it.
      const abort = () => void release();
      signal.addEventListener("abort", abort, { once: true });
      try {
        signal.throwIfAborted();
        // The option list in parentheses came with version 15; this form is still taken by all.
        const { rows } = await client.query<Record<string, string>>(
          `CREATE_REPLICATION_SLOT ${ident(slot)} LOGICAL pgoutput ${failover ? "(SNAPSHOT 'export', FAILOVER true)" : "EXPORT_SNAPSHOT"}`,
        );
        const { consistent_point: point, snapshot_name: snapshot } = rows[0] ?? {};
        if (point === undefined || snapshot === undefined) throw new Error("CREATE_REPLICATION_SLOT returned no snapshot");
        return { lsn: parseLsn(point), snapshot, release };
      } catch (error) {
        await release();
        throw failure(error);
      } finally {
        signal.removeEventListener("abort", abort);
      }
    },
  };
}
