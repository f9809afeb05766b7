/**
 * The synchronous end of the stream: hands each message to the sequencer, or, while a table's new shape is being learned, keeps a copy
 * until it is. The socket is paused for either reason, a shape to learn or a full queue; what one read of it brought still arrives.
 */

import type { StreamMessage, Tuple } from "../ports.ts";
import type { CapturedTables } from "./tables.ts";

export type IntakeOptions = {
  readonly tables: Pick<CapturedTables, "knows" | "learn">;
  readonly take: (message: StreamMessage) => void;
  readonly isFull: () => boolean;
  readonly pause: () => void;
  readonly resume: () => void;
  /** Learning failed, so the stream cannot go on. */
  readonly fail: (error: unknown) => void;
};

export class Intake {
  readonly #of: IntakeOptions;
  #kept: StreamMessage[] = [];
  #learning = false;
  #paused = false;

  constructor(of: IntakeOptions) {
    this.#of = of;
  }

  get isIdle(): boolean {
    return !this.#learning && this.#kept.length === 0;
  }

  message(message: StreamMessage): void {
    if (this.#learning) {
      this.#kept.push(copyOf(message));
      return;
    }
    this.#take(message);
  }

  /** The queue has room again. */
  roomy(): void {
    if (!this.#paused || this.#learning) return;
    this.#paused = false;
    this.#of.resume();
  }

  #take(message: StreamMessage): void {
    if (message.kind === "relation" && !this.#of.tables.knows(message.relation)) {
      this.#learning = true;
      this.#pause();
      this.#of.tables.learn(message.relation).then(() => this.#learned(), this.#of.fail);
      return;
    }
    this.#of.take(message);
    if (!this.#paused && this.#of.isFull()) this.#pause();
  }

  #learned(): void {
    this.#learning = false;
    const kept = this.#kept;
    this.#kept = [];
    try {
      // One of them may be the next shape to learn, which keeps the rest again, in order.
      for (const message of kept) this.message(message);
    } catch (error) {
      this.#of.fail(error);
      return;
    }
    if (!this.#of.isFull()) this.roomy();
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#of.pause();
  }
}

/** The stream fills the same objects and buffers anew for each message. */
function copyOf(message: StreamMessage): StreamMessage {
  switch (message.kind) {
    case "insert":
      return { ...message, after: copyOfTuple(message.after) };
    case "update":
      return {
        ...message,
        before: message.before === undefined ? undefined : copyOfTuple(message.before),
        after: copyOfTuple(message.after),
      };
    case "delete":
      return { ...message, before: copyOfTuple(message.before) };
    case "message":
      return { ...message, content: Buffer.from(message.content) };
    default:
      return message;
  }
}

function copyOfTuple(tuple: Tuple): Tuple {
  return { bytes: Buffer.from(tuple.bytes), starts: tuple.starts.slice(), ends: tuple.ends.slice() };
}
