/**
 * Brokers in memory that answer fetches as Kafka does: in turn on each connection, at once where there is something to give out or to
 * refuse, and else only when the test says that the wait is over. They read the requests' bytes, and answer in bytes.
 */

import type { Broker, Cluster, KafkaRequest } from "../../../connectors/kafka/cluster.ts";
import { batchOf, change } from "./batches.ts";

export type Asked = {
  readonly node: string;
  readonly connection: 0 | 1;
  readonly waitMs: number;
  /** Partition → offset, in the request's order. */
  readonly offsets: ReadonlyMap<number, number>;
  /** Its wait is over. */
  expire(): void;
  /** The connection broke. */
  cut(): void;
  readonly isOpen: boolean;
};

type Log = { low: number; batches: { readonly base: number; readonly next: number; readonly bytes: Buffer }[] };

export class FakeCluster implements Cluster {
  /** Partition → who leads it, as the brokers know; the client learns it by {@link refreshMetadata}. */
  readonly leaders = new Map<number, string>();
  /** Partition → error code that its leader answers with. */
  readonly errors = new Map<number, number>();
  /** Brokers that cannot be reached. */
  readonly gone = new Set<string>();
  readonly asked: Asked[] = [];
  /** Most bytes of an answer. */
  bytes = Number.POSITIVE_INFINITY;
  refreshes = 0;
  readonly #logs = new Map<number, Log>();
  readonly #known = new Map<number, string>();
  readonly #waiting = new Set<{ readonly look: () => void }>();

  constructor(leaders: Readonly<Record<number, string>>) {
    for (const [partition, node] of Object.entries(leaders)) this.leaders.set(Number(partition), node);
  }

  /** Writes messages to a partition, as one batch. */
  append(partition: number, ...values: string[]): void {
    const log = this.#log(partition);
    const base = log.batches.at(-1)?.next ?? log.low;
    const bytes = batchOf(
      base,
      values.map((value) => change({ value })),
    );
    log.batches.push({ base, next: base + values.length, bytes });
    for (const { look } of [...this.#waiting]) look();
  }

  /** Removes what is before `low`. */
  trim(partition: number, low: number): void {
    const log = this.#log(partition);
    log.low = low;
    log.batches = log.batches.filter(({ next }) => next > low);
  }

  /** Requests that wait for their answer. */
  get open(): Asked[] {
    return this.asked.filter(({ isOpen }) => isOpen);
  }

  connect = async (): Promise<void> => undefined;
  disconnect = async (): Promise<void> => undefined;
  isConnected = (): boolean => true;
  addTargetTopic = (): Promise<void> => this.#learn();
  refreshMetadataIfNecessary = (): Promise<void> => this.#learn();
  removeBroker = (): void => undefined;

  async refreshMetadata(): Promise<void> {
    this.refreshes += 1;
    await this.#learn();
  }

  findLeaderForPartitions(_topic: string, partitions: readonly number[]): Record<string, number[]> {
    const found: Record<string, number[]> = {};
    for (const partition of partitions) {
      const node = this.#known.get(partition);
      if (node !== undefined) found[node] = [...(found[node] ?? []), partition];
    }
    return found;
  }

  async findBroker({ nodeId }: { readonly nodeId: string }): Promise<Broker> {
    if (this.gone.has(nodeId)) throw new Error(`connect ECONNREFUSED ${nodeId}`);
    const connection = (index: 0 | 1) => ({
      send: <T, Decoded>(request: KafkaRequest<T, Decoded>) => this.#answer(nodeId, index, request),
    });
    return { connectionPool: { ...connection(0), getConnection: async (index) => connection(index) } };
  }

  async #learn(): Promise<void> {
    this.#known.clear();
    for (const [partition, node] of this.leaders) this.#known.set(partition, node);
  }

  async #answer<T, Decoded>(node: string, connection: 0 | 1, { request, response }: KafkaRequest<T, Decoded>): Promise<T> {
    if (this.open.some((other) => other.node === node && other.connection === connection))
      throw new Error(`two requests at once on connection ${connection} of broker ${node}`);
    const { waitMs, offsets } = readRequest((await request.encode()).buffer);
    const bytes = await new Promise<Buffer>((resolve, reject) => {
      let isOpen = true;
      const close = (settle: () => void) => {
        isOpen = false;
        this.#waiting.delete(waiting);
        settle();
      };
      const waiting = {
        look: () => {
          const answer = this.#answerOf(node, offsets);
          if (answer !== undefined) close(() => resolve(answer));
        },
      };
      this.asked.push({
        node,
        connection,
        waitMs,
        offsets,
        expire: () =>
          close(() => resolve(encodeAnswer([...offsets.keys()].map((partition) => ({ partition, errorCode: 0, records: [] }))))),
        cut: () => close(() => reject(new Error("the connection broke"))),
        get isOpen() {
          return isOpen;
        },
      });
      this.#waiting.add(waiting);
      waiting.look();
    });
    return response.parse(await response.decode(bytes));
  }

  /** Undefined while there is nothing to say. */
  #answerOf(node: string, offsets: ReadonlyMap<number, number>): Buffer | undefined {
    let room = this.bytes;
    const parts = [...offsets].map(([partition, offset]) => {
      const { low, batches } = this.#log(partition);
      const high = batches.at(-1)?.next ?? low;
      const error = this.leaders.get(partition) !== node ? NOT_LEADER : (this.errors.get(partition) ?? 0);
      if (error !== 0) return { partition, errorCode: error, records: [] };
      if (offset < low || offset > high) return { partition, errorCode: OUT_OF_RANGE, records: [] };
      const records: Buffer[] = [];
      for (const batch of batches) {
        if (batch.next <= offset || room <= 0) continue;
        records.push(batch.bytes);
        room -= batch.bytes.length;
      }
      return { partition, errorCode: 0, records };
    });
    return parts.some(({ errorCode, records }) => errorCode !== 0 || records.length > 0) ? encodeAnswer(parts) : undefined;
  }

  #log(partition: number): Log {
    const log = this.#logs.get(partition) ?? { low: 0, batches: [] };
    this.#logs.set(partition, log);
    return log;
  }
}

const OUT_OF_RANGE = 1;
const NOT_LEADER = 6;

/** Kafka protocol guide, "Fetch API": request and response of version 10, read and written from the other side. */
function readRequest(bytes: Buffer): { waitMs: number; offsets: Map<number, number> } {
  const waitMs = bytes.readInt32BE(4);
  let at = 4 + 4 + 4 + 4 + 1 + 4 + 4 + 4; // replica, wait, least and most bytes, isolation, session, its epoch, topics
  at += 2 + bytes.readInt16BE(at);
  const count = bytes.readInt32BE(at);
  at += 4;
  const offsets = new Map<number, number>();
  for (let i = 0; i < count; i += 1) {
    offsets.set(bytes.readInt32BE(at), Number(bytes.readBigInt64BE(at + 8)));
    at += 4 + 4 + 8 + 8 + 4;
  }
  if (bytes.readInt32BE(at) !== 0 || at + 4 !== bytes.length) throw new Error("not a fetch request of version 10");
  return { waitMs, offsets };
}

function encodeAnswer(parts: readonly { partition: number; errorCode: number; records: readonly Buffer[] }[]): Buffer {
  const topic = Buffer.from("topic");
  const head = Buffer.alloc(4 + 2 + 4 + 4 + 2);
  head.writeInt32BE(1, 10); // topics
  head.writeInt16BE(topic.length, 14);
  const count = Buffer.alloc(4);
  count.writeInt32BE(parts.length);
  const bodies = parts.flatMap(({ partition, errorCode, records }) => {
    const body = Buffer.concat(records);
    const fields = Buffer.alloc(4 + 2 + 8 + 8 + 8 + 4 + 4);
    fields.writeInt32BE(partition, 0);
    fields.writeInt16BE(errorCode, 4);
    fields.writeInt32BE(-1, 30); // no aborted transactions
    fields.writeInt32BE(body.length, 34);
    return [fields, body];
  });
  return Buffer.concat([head, topic, count, ...bodies]);
}
