/** The source's replication connection: the stream of one slot, and the making of slots. */

import { Client, type ClientConfig } from "pg";
import { LogicalReplicationService } from "pg-logical-replication";
import { asLsn, formatLsn, type Lsn, parseLsn } from "../../src/model/position.ts";
import { ident } from "../../src/model/sql.ts";
import type { ReplicationStream, SlotMaker } from "../../src/ports.ts";
import { clientConfig, type DatabaseAddress, placeOf } from "./database.ts";
import { connectFailure, failure } from "./failures.ts";
import { PgoutputPlugin } from "./pgoutput.ts";

type Listeners = Parameters<ReplicationStream["run"]>[1];

/** What pause and resume need of pg's socket. */
type Pausable = { pause(): unknown; resume(): unknown };

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
  #socket: Pausable | undefined;

  constructor(address: SlotAddress) {
    this.#address = address;
  }

  async run(from: Lsn | undefined, on: Listeners, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { slot, publication } = this.#address;
    const plugin = new SocketPlugin({ publication });
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
      throw this.#failure(error, plugin.socket !== undefined);
    } finally {
      this.#service = undefined;
      this.#socket = undefined;
      await service.destroy().catch(() => undefined);
      await subscription.catch(() => undefined);
    }
  }

  /** Settles when `signal` aborts, a callback throws or the connection fails; nothing is called afterwards. */
  #listen(service: LogicalReplicationService, plugin: SocketPlugin, on: Listeners, signal: AbortSignal): Promise<void> {
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
        this.#socket = plugin.socket;
        guarded(() => on.started());
      });
      service.on("data", (_lsn, decoded: ReturnType<PgoutputPlugin["parse"]>) => {
        guarded(() => {
          if (decoded instanceof Error) throw decoded;
          if (decoded !== undefined) on.message(decoded);
        });
      });
      service.on("heartbeat", (walEnd, _timestamp, replyNow) => guarded(() => on.keepalive(parseLsn(walEnd), replyNow)));
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

/** Keeps what a callback threw apart from what the connection reports. */
class CallbackFailed extends Error {
  constructor(cause: unknown) {
    super("a listener of the replication stream failed", { cause });
  }
}

/** Keeps the socket of the connection that the library opens: it offers no pause that leaves reading to its user. */
class SocketPlugin extends PgoutputPlugin {
  socket: Pausable | undefined;

  override start(client: Client, slot: string, from: string): Promise<unknown> {
    this.socket = socketOf(client);
    return super.start(client, slot, from);
  }
}

/** pg keeps its socket in `connection.stream`; neither is in its types. */
function socketOf(client: object): Pausable {
  const connection: unknown = Reflect.get(client, "connection");
  const stream: unknown = typeof connection === "object" && connection !== null ? Reflect.get(connection, "stream") : undefined;
  if (!isPausable(stream)) throw new Error("pg no longer keeps its socket in connection.stream");
  return stream;
}

function isPausable(value: unknown): value is Pausable {
  return typeof value === "object" && value !== null && "pause" in value && "resume" in value && typeof value.pause === "function" && typeof value.resume === "function";
}

function replicationConfig(address: DatabaseAddress): ClientConfig & { readonly replication: "database" } {
  return { ...clientConfig(address, { settings: REPLICATION_SETTINGS }), replication: "database" };
}

/** Makes slots on a replication connection of its own, since only there a slot's snapshot can be exported. */
export function createSlotMaker(address: DatabaseAddress): SlotMaker {
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
        // The option list in parentheses came with version 15; this form is still taken by all.
        const { rows } = await client.query<Record<string, string>>(`CREATE_REPLICATION_SLOT ${ident(slot)} LOGICAL pgoutput EXPORT_SNAPSHOT`);
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
