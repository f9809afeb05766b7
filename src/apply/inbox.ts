import { Bell } from "../bell.ts";
import { comparePositions, type Position, START } from "../model/position.ts";
import type { IncomingBatch, IncomingMessage } from "../ports.ts";

/** Most messages and bytes of one target transaction; a source transaction beyond that is applied in pieces. */
export const MOST_MESSAGES = 3_000;
export const MOST_BYTES = 8 * 1024 * 1024;

/** The lane's reader is paused above this and resumed below half of it; one more fetch can still arrive on top. */
export const FULL_MESSAGES = 3_000;
const FULL_BYTES = 8 * 1024 * 1024;

/** Messages that belong into one target transaction. `complete`: the last one is the last of its source transaction. */
export type Segment = { readonly messages: readonly IncomingMessage[]; readonly complete: boolean };

/**
 * The bounded queue between the Kafka reader and a lane. Each batch has to go on where the one before ended, and it is not left to the
 * reader to see to that: what comes twice is left out, and a gap is asked for again.
 *
 * What the topic repeats (a send whose answer was lost, a late write of a dying capture) is left out in the middle of a transaction: the
 * last message of an earlier one, come again there, would end it too early.
 */
export class Inbox {
  readonly #messages: IncomingMessage[] = [];
  #bytes = 0;
  #expected: number | undefined;
  /** How far the messages that were accepted go; where the lane stands when there were none. */
  #position = START;
  #isInTransaction = false;
  #lastCut = 0; // how many of the messages end with the last of a transaction
  readonly #bell = new Bell();
  #failure: Error | undefined;

  /** Empties the queue; only the message at `offset` and those after it are accepted. `position`: of the lane there. */
  expect(offset: bigint, position: Position): void {
    this.#messages.length = 0;
    this.#bytes = 0;
    this.#lastCut = 0;
    this.#expected = Number(offset);
    this.#position = position;
    this.#isInTransaction = false;
    this.#failure = undefined;
  }

  /** Nothing can follow on what is there: whoever takes is told so, until {@link expect} names another place. */
  fail(error: Error): void {
    this.#failure = error;
    this.#bell.ring();
  }

  /** The offset that has to come next; undefined before the lane knows its place. */
  get expected(): bigint | undefined {
    return this.#expected === undefined ? undefined : BigInt(this.#expected);
  }

  get isFull(): boolean {
    return this.#messages.length >= FULL_MESSAGES || this.#bytes >= FULL_BYTES;
  }

  /** Also when nothing can be taken before more arrives: who waits then with the reader paused waits for ever. */
  get hasRoom(): boolean {
    return !this.#isReady() || (this.#messages.length < FULL_MESSAGES / 2 && this.#bytes < FULL_BYTES / 2);
  }

  /** The offset from which to read again when the batch does not follow on what is there, else undefined. */
  push({ from, next, messages }: IncomingBatch): bigint | undefined {
    const expected = this.#expected;
    if (expected === undefined || next <= expected) return undefined;
    if (from > expected) return BigInt(expected);
    this.#expected = next;
    for (const message of messages) {
      if (message.offset < expected) continue;
      // One without a position is for the planner to refuse.
      const position = message.position ?? this.#position;
      const isRepeated = message.position !== undefined && comparePositions(position, this.#position) <= 0;
      if (isRepeated && this.#isInTransaction) continue;
      if (!isRepeated) {
        this.#position = position;
        this.#isInTransaction = !message.isTxLast;
      }
      this.#messages.push(message);
      this.#bytes += message.value.length;
      if (message.isTxLast) this.#lastCut = this.#messages.length;
    }
    if (this.#isReady()) this.#bell.ring();
    return undefined;
  }

  /** Whole transactions as far as they are there; a part of one only when it alone is beyond the bounds. */
  async take(signal: AbortSignal): Promise<Segment> {
    while (!this.#isReady()) {
      signal.throwIfAborted();
      if (this.#failure !== undefined) throw this.#failure;
      await this.#bell.wait(signal);
    }
    return this.#cut();
  }

  #isReady(): boolean {
    return this.#lastCut > 0 || this.#messages.length >= MOST_MESSAGES || this.#bytes >= MOST_BYTES;
  }

  #cut(): Segment {
    let end = 0;
    let bytes = 0;
    let lastWhole = 0;
    while (end < this.#messages.length && end < MOST_MESSAGES && (bytes < MOST_BYTES || lastWhole === 0)) {
      const message = this.#messages[end];
      if (message === undefined) break;
      bytes += message.value.length;
      end++;
      if (message.isTxLast) lastWhole = end;
      if (lastWhole === 0 && bytes >= MOST_BYTES) break;
    }
    const complete = lastWhole > 0;
    const messages = this.#messages.splice(0, complete ? lastWhole : end);
    for (const message of messages) this.#bytes -= message.value.length;
    this.#lastCut = Math.max(0, this.#lastCut - messages.length);
    return { messages, complete };
  }
}
