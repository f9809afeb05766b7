/** The migration's slot, and the walsender that reads the WAL for it. */

import { type Lsn, ZERO_LSN } from "../../src/model/position.ts";
import { ConnectionLost, type ReplicationStream, ServerError, type StreamMessage } from "../../src/ports.ts";
import { TOAST, tuple, type Value } from "../capture/support.ts";
import type { Process } from "./network.ts";
import type { Change, Committed, Source, SourceRow } from "./source.ts";
import type { SimTable } from "./tables.ts";

/** Values from here on are stored out of line. */
export const TOASTED = "toasted ";

export class Slot {
  confirmed: Lsn = ZERO_LSN;
  /** What a restart of the source goes back to: a slot is written to disk only now and then. */
  persisted: Lsn = ZERO_LSN;
  reader: object | undefined;
}

type Callbacks = Parameters<ReplicationStream["run"]>[1];

export function replicationStream(of: {
  readonly source: Source;
  readonly slot: Slot;
  readonly process: Process;
  /** In how many of a thousand reads the connection breaks. */
  readonly breaks: number;
  readonly onAcknowledge: (flushed: Lsn) => void;
}): ReplicationStream {
  const { source, slot, process } = of;
  const { network } = process;
  let isPaused = false;
  let look: () => void = () => undefined;
  return {
    run: async (_, on, signal) => {
      await process.request();
      if (slot.reader !== undefined) throw new ServerError("replication slot is active", { sqlstate: "55006" });
      const reader = {};
      slot.reader = reader;
      const free = () => {
        if (slot.reader === reader) slot.reader = undefined;
      };
      const disconnect = process.connected(free);
      try {
        on.started();
        await new Promise<void>((resolve, reject) => {
          let isScheduled = false;
          const sender = new Sender(source, slot.confirmed, on);
          const isOver = () => signal.aborted || slot.reader !== reader;
          const read = () => {
            isScheduled = false;
            if (isOver() || isPaused) return;
            if (network.fails(of.breaks)) {
              reject(new ConnectionLost("the replication connection broke"));
              return;
            }
            try {
              sender.send(1 + network.random.int(20));
              if (sender.isDone && network.random.int(4) === 0) on.keepalive(source.insertLsn, network.random.int(2) === 0);
            } catch (error) {
              reject(error);
              return;
            }
            if (!sender.isDone) look();
          };
          look = () => {
            if (isScheduled || isOver()) return;
            isScheduled = true;
            network.time.after(network.random.int(4), read);
          };
          source.onCommit.add(look);
          signal.addEventListener("abort", () => resolve(), { once: true });
          if (signal.aborted) resolve();
          look();
        });
      } finally {
        source.onCommit.delete(look);
        free();
        disconnect();
      }
    },
    acknowledge: (flushed) => {
      if (process.isKilled || flushed <= slot.confirmed) return;
      slot.confirmed = flushed;
      of.onAcknowledge(flushed);
    },
    pause: () => {
      isPaused = true;
    },
    resume: () => {
      isPaused = false;
      look();
    },
  };
}

/** Decodes commit after commit, message after message. */
class Sender {
  readonly #source: Source;
  readonly #on: Callbacks;
  readonly #announced = new Set<SimTable>();
  #next: number;
  #messages: StreamMessage[] = [];
  #sent = 0;

  constructor(source: Source, from: Lsn, on: Callbacks) {
    this.#source = source;
    this.#on = on;
    // A transaction whose commit record is before the confirmed position is not sent again.
    this.#next = source.wal.findIndex(({ lsn }) => lsn >= from);
    if (this.#next < 0) this.#next = source.wal.length;
  }

  get isDone(): boolean {
    return this.#sent >= this.#messages.length && this.#next >= this.#source.wal.length;
  }

  send(most: number): void {
    for (let count = 0; count < most; count++) {
      if (this.#sent >= this.#messages.length) {
        const committed = this.#source.wal[this.#next];
        if (committed === undefined) return;
        this.#next++;
        this.#messages = this.#decode(committed);
        this.#sent = 0;
      }
      const message = this.#messages[this.#sent++];
      if (message !== undefined) this.#on.message(message);
    }
  }

  #decode({ xid, lsn, end, committedAtMs, changes }: Committed): StreamMessage[] {
    const messages: StreamMessage[] = [{ kind: "begin", lsn, committedAtMs, xid: Number(BigInt.asUintN(32, xid)) }];
    for (const change of changes) {
      const tables = change.op === "message" ? [] : change.op === "truncate" ? change.tables : [change.table];
      for (const table of tables) {
        if (this.#announced.has(table)) continue;
        this.#announced.add(table);
        messages.push({ kind: "relation", relation: table.relation });
      }
      messages.push(decoded(change, lsn));
    }
    messages.push({ kind: "commit", lsn, endLsn: end });
    return messages;
  }
}

function decoded(change: Change, lsn: Lsn): StreamMessage {
  switch (change.op) {
    case "message":
      return { kind: "message", transactional: true, lsn, prefix: change.prefix, content: Buffer.from(change.content) };
    case "truncate":
      return {
        kind: "truncate",
        relations: change.tables.map(({ relation }) => relation),
        cascade: false,
        restartIdentity: false,
      };
    case "insert":
      return { kind: "insert", relation: change.table.relation, after: tuple(...change.after) };
    case "delete":
      return { kind: "delete", relation: change.table.relation, before: tuple(...oldKey(change.table, change.before)) };
    case "update": {
      const { table, before, after } = change;
      const isFull = table.relation.identity === "f";
      const isKeyChanged = table.relation.columns.some(({ inIdentity }, index) => inIdentity && before[index] !== after[index]);
      return {
        kind: "update",
        relation: table.relation,
        before: isFull || isKeyChanged ? tuple(...oldKey(table, before)) : undefined,
        after: tuple(...after.map((value, index): Value => (isUnsent(table, index, before[index], value) ? TOAST : value))),
      };
    }
  }
}

/** The columns of the replica identity; of the others a key image has nothing. */
function oldKey(table: SimTable, row: SourceRow): Value[] {
  return row.map((value, index) => (table.relation.columns[index]?.inIdentity === true ? value : null));
}

function isUnsent(table: SimTable, index: number, before: string | null | undefined, after: string | null): boolean {
  return index === table.toast && before === after && after?.startsWith(TOASTED) === true;
}
