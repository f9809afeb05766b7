/**
 * The bounded queue between the source's stream and Kafka. While one batch is sent the next is gathered; nothing lingers, so an idle
 * stream's change is sent at once, and batches become as large as the time that a send takes.
 */

import { Bell } from "../bell.ts";
import type { Lsn } from "../model/position.ts";
import type { OutgoingMessage } from "../ports.ts";
import type { Beat } from "./beat.ts";

export type Batch = {
  readonly messages: OutgoingMessage[];
  bytes: number;
  /** End of the last transaction that is complete with this batch and all before it. */
  commitEnd: Lsn | undefined;
  /** Heartbeats that are complete with this batch and all before it. */
  readonly beats: { readonly beat: Beat; readonly lsn: Lsn }[];
};

/** A send of this size takes some 10 ms of this process and as long at the broker; a larger one gains nothing and holds more memory. */
const BATCH_MESSAGES = 4_000;
const BATCH_BYTES = 4 * 1024 * 1024;

/** Beyond either of these the socket is paused. What is under way to Kafka comes on top, and one read of the socket. */
const QUEUE_MESSAGES = 8_000;
const QUEUE_BYTES = 8 * 1024 * 1024;

export class Outbox {
  #gathering: Batch = emptyBatch();
  #full: Batch[] = [];
  #messages = 0;
  #bytes = 0;
  readonly #bell = new Bell();

  push(message: OutgoingMessage): void {
    const bytes = message.key.length + message.value.length;
    const batch = this.#gathering;
    if (batch.messages.length >= BATCH_MESSAGES || (batch.bytes + bytes > BATCH_BYTES && batch.messages.length > 0)) {
      this.#full.push(batch);
      this.#gathering = emptyBatch();
    }
    this.#gathering.messages.push(message);
    this.#gathering.bytes += bytes;
    this.#messages += 1;
    this.#bytes += bytes;
    this.#bell.ring();
  }

  /** Everything of the transaction has been pushed. */
  commit(end: Lsn): void {
    this.#gathering.commitEnd = end;
    this.#bell.ring();
  }

  /** The beat's messages have been pushed; its transaction's commit comes with the next {@link commit}. */
  beat(beat: Beat, lsn: Lsn): void {
    this.#gathering.beats.push({ beat, lsn });
  }

  get isFull(): boolean {
    return this.#messages >= QUEUE_MESSAGES || this.#bytes >= QUEUE_BYTES;
  }

  /** Half full or less: time to read on. */
  get hasRoom(): boolean {
    return this.#messages <= QUEUE_MESSAGES / 2 && this.#bytes <= QUEUE_BYTES / 2;
  }

  get isEmpty(): boolean {
    return this.#full.length === 0 && isEmptyBatch(this.#gathering);
  }

  /** The oldest batch, as soon as there is one; undefined when `signal` aborts. */
  async take(signal: AbortSignal): Promise<Batch | undefined> {
    while (!signal.aborted) {
      const batch = this.#next();
      if (batch !== undefined) return batch;
      await this.#bell.wait(signal);
    }
    return undefined;
  }

  #next(): Batch | undefined {
    let batch = this.#full.shift();
    if (batch === undefined) {
      if (isEmptyBatch(this.#gathering)) return undefined;
      batch = this.#gathering;
      this.#gathering = emptyBatch();
    }
    this.#messages -= batch.messages.length;
    this.#bytes -= batch.bytes;
    return batch;
  }
}

function emptyBatch(): Batch {
  return { messages: [], bytes: 0, commitEnd: undefined, beats: [] };
}

function isEmptyBatch(batch: Batch): boolean {
  return batch.messages.length === 0 && batch.commitEnd === undefined;
}
