/** The changes topic: partitions that only grow, a producer whose sends may arrive twice or late, readers that share the partitions. */

import { isTxLast, readTenant } from "../../src/envelope/index.ts";
import { RehouseError } from "../../src/errors.ts";
import { type Position, parsePosition } from "../../src/model/position.ts";
import type {
  ChangesProducer,
  ChangesReader,
  ChangesTopic,
  IncomingBatch,
  IncomingMessage,
  OutgoingMessage,
  TailReader,
} from "../../src/ports.ts";
import type { Network, Process } from "./network.ts";

export type TopicHooks = {
  /** What a reader hands out of what it has read. */
  readonly delivered?: (batch: IncomingBatch) => IncomingBatch;
  /** What a broker answers to a send that did not reach all replicas. */
  readonly answersAnyway?: boolean;
  readonly tail?: (position: Position) => Position | undefined;
};

export class Topic {
  readonly partitions: IncomingMessage[][];
  readonly #network: Network;
  readonly #hooks: TopicHooks;
  readonly #onAppend: (partition: number, message: IncomingMessage) => void;
  readonly #arrived = new Set<(partition: number) => void>();

  constructor(of: {
    readonly partitions: number;
    readonly network: Network;
    readonly hooks: TopicHooks;
    readonly onAppend: (partition: number, message: IncomingMessage) => void;
  }) {
    this.partitions = Array.from({ length: of.partitions }, () => []);
    this.#network = of.network;
    this.#hooks = of.hooks;
    this.#onAppend = of.onAppend;
  }

  end(partition: number): number {
    return this.partitions[partition]?.length ?? 0;
  }

  port(process: Process): ChangesTopic {
    return {
      name: "rehouse.m.changes",
      ensure: () => Promise.resolve(),
      exists: () => Promise.resolve(true),
      longestMessage: () => Promise.resolve(1_000_000),
      delete: () => Promise.resolve(),
      offsets: async () => {
        await process.request();
        return this.partitions.map((messages, partition) => ({ partition, low: 0n, high: BigInt(messages.length) }));
      },
    };
  }

  tail(process: Process): TailReader {
    return {
      last: async () => {
        await process.request();
        const tails = new Map<number, { readonly position: Position; readonly offset: bigint } | undefined>();
        for (const [partition, messages] of this.partitions.entries()) {
          const last = messages.at(-1);
          if (last === undefined) continue;
          const read = last.position;
          const position = read === undefined || this.#hooks.tail === undefined ? read : this.#hooks.tail(read);
          if (position !== undefined) tails.set(partition, { position, offset: BigInt(last.offset) });
        }
        return tails;
      },
    };
  }

  /**
   * One send at a time. An answer that is lost makes it send again, so a batch can be there twice; when its process dies, or it gives up, what
   * is on its way may arrive later, once, a partition's batch as a whole.
   */
  producer(process: Process, rates: { readonly again: number; readonly gaveUp: number }): ChangesProducer {
    const network = this.#network;
    return {
      publish: async (messages) => {
        await process.request();
        const next = new Map<number, bigint>();
        const gaveUp = network.fails(rates.gaveUp);
        for (const [partition, batch] of byPartition(messages)) {
          if (gaveUp && network.random.int(2) === 0) {
            // Lost, or late: its process may be no more by then, and another one may publish.
            if (network.random.int(2) === 0) network.time.after(network.random.int(300), () => this.#append(partition, batch));
            continue;
          }
          this.#append(partition, batch);
          if (network.fails(rates.again)) this.#append(partition, batch);
          next.set(partition, BigInt(this.end(partition)));
          const travel = network.travel();
          if (travel === undefined) continue;
          await travel;
          if (process.isKilled) this.#leaveBehind(byPartition(messages), next);
          process.checkAlive();
        }
        if (gaveUp && this.#hooks.answersAnyway !== true)
          throw new RehouseError("REHOUSE_UNREACHABLE", { what: "the brokers do not answer" });
        await process.request();
        return next;
      },
      close: () => Promise.resolve(),
    };
  }

  /** A reader of the partitions that `members` gives to it. */
  reader(process: Process, members: Members): ChangesReader {
    const network = this.#network;
    const positions = new Map<number, number>();
    const paused = new Set<number>();
    const scheduled = new Set<number>();
    let assigned: readonly number[] = members.atFirst;
    let receive: (partition: number, batch: IncomingBatch) => void = () => undefined;
    let isOver = true;
    const fetch = (partition: number, from: number, most: number) => {
      scheduled.delete(partition);
      if (isOver || process.isKilled) return;
      const at = positions.get(partition);
      const isStale = at !== from || paused.has(partition) || !assigned.includes(partition);
      // A fetch that nobody waits for any more is mostly dropped.
      if (!isStale || network.random.int(4) === 0) {
        const messages = this.partitions[partition]?.slice(from, from + most) ?? [];
        const batch = { from, next: from + messages.length, messages };
        if (!isStale) positions.set(partition, batch.next);
        if (messages.length > 0) receive(partition, this.#hooks.delivered?.(batch) ?? batch);
      }
      look(partition);
    };
    const look = (partition: number) => {
      const from = positions.get(partition);
      if (isOver || scheduled.has(partition) || from === undefined || from >= this.end(partition)) return;
      if (paused.has(partition) || !assigned.includes(partition)) return;
      scheduled.add(partition);
      network.time.after(network.random.int(6), () => fetch(partition, from, 1 + network.random.int(40)));
    };
    return {
      run: async (on, signal) => {
        await process.request();
        if (signal.aborted) return;
        isOver = false;
        receive = on.receive;
        const look0 = (partition: number) => look(partition);
        this.#arrived.add(look0);
        const leave = members.join((partitions) => {
          for (const partition of assigned) {
            if (partitions.includes(partition)) continue;
            positions.delete(partition);
            paused.delete(partition);
          }
          assigned = partitions;
          on.assigned(partitions);
        });
        const disconnect = process.connected(leave);
        for (const partition of assigned) look(partition);
        await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
        isOver = true;
        this.#arrived.delete(look0);
        leave();
        disconnect();
      },
      seek: (partition, offset) => {
        if (!assigned.includes(partition)) return;
        positions.set(partition, Number(offset));
        look(partition);
      },
      pause: (partition) => void paused.add(partition),
      resume: (partition) => {
        paused.delete(partition);
        look(partition);
      },
      committed: () => undefined,
    };
  }

  /** What a process that was killed had handed to its sockets. */
  #leaveBehind(batches: ReadonlyMap<number, readonly OutgoingMessage[]>, sent: ReadonlyMap<number, bigint>): void {
    for (const [partition, batch] of batches) {
      if (sent.has(partition) || this.#network.random.int(2) === 0) continue;
      this.#network.time.after(this.#network.random.int(500), () => this.#append(partition, batch));
    }
  }

  #append(partition: number, batch: readonly OutgoingMessage[]): void {
    const messages = this.partitions[partition];
    if (messages === undefined) throw new RangeError(`the topic has no partition ${partition}`);
    for (const { value, headers } of batch) {
      const message = {
        offset: messages.length,
        value,
        position: positionOf(headers),
        tenant: readTenant(headers),
        isTxLast: isTxLast(headers),
        unavailable: headers["unavailable"]?.toString(),
      };
      messages.push(message);
      this.#onAppend(partition, message);
    }
    for (const look of this.#arrived) look(partition);
  }
}

/** Who reads which partition: of a consumer group, or of a reader on its own. */
export interface Members {
  /** The partitions before anybody has joined. */
  readonly atFirst: readonly number[];
  /** `assigned` is told the partitions now and at each change. Returns what leaves. */
  join(assigned: (partitions: readonly number[]) => void): () => void;
}

export function onlyPartition(partition: number): Members {
  return {
    atFirst: [partition],
    join: (assigned) => {
      assigned([partition]);
      return () => undefined;
    },
  };
}

/** A consumer group. For a while after a change two of its members may both believe that a partition is theirs. */
export class Group implements Members {
  readonly atFirst = [];
  readonly #network: Network;
  readonly #partitions: number;
  #generation = 0;
  readonly #members: { assigned: ((partitions: readonly number[]) => void) | undefined }[] = [];

  constructor(network: Network, partitions: number) {
    this.#network = network;
    this.#partitions = partitions;
  }

  join(assigned: (partitions: readonly number[]) => void): () => void {
    const member: { assigned: typeof assigned | undefined } = { assigned };
    this.#members.push(member);
    this.rebalance();
    return () => {
      member.assigned = undefined;
      const index = this.#members.indexOf(member);
      if (index < 0) return;
      this.#members.splice(index, 1);
      this.rebalance();
    };
  }

  rebalance(): void {
    const generation = ++this.#generation;
    const shift = this.#network.random.int(3);
    const members = [...this.#members];
    for (const [index, member] of members.entries()) {
      const partitions: number[] = [];
      for (let partition = 0; partition < this.#partitions; partition++)
        if ((partition + shift) % members.length === index) partitions.push(partition);
      this.#network.time.after(this.#network.random.int(60), () => {
        if (generation === this.#generation) member.assigned?.(partitions);
      });
    }
  }
}

export function positionOf(headers: OutgoingMessage["headers"]): Position {
  return parsePosition(headers["position"]?.toString("latin1") ?? "");
}

function byPartition(messages: readonly OutgoingMessage[]): Map<number, OutgoingMessage[]> {
  const groups = new Map<number, OutgoingMessage[]>();
  for (const message of messages) {
    const group = groups.get(message.partition);
    if (group === undefined) groups.set(message.partition, [message]);
    else group.push(message);
  }
  return groups;
}
