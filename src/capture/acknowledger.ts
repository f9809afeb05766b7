/**
 * What the source is told: everything below this LSN is durable in Kafka, so its WAL may go. It only ever grows, and only in two ways:
 * to the end of a commit whose messages are all durable with all before them, or, when nothing at all is under way, to what a
 * keepalive says the server has sent.
 */

import type { Lsn } from "../model/position.ts";

/** Well below any wal_sender_timeout that somebody would set; a message of 34 bytes. */
const REPEAT_MS = 1_000;

export class Acknowledger {
  readonly #send: (flushed: Lsn) => void;
  readonly #isIdle: () => boolean;
  #flushed: Lsn;

  /** `flushed`: what the slot has confirmed already. */
  constructor(of: { readonly flushed: Lsn; readonly send: (flushed: Lsn) => void; readonly isIdle: () => boolean }) {
    this.#flushed = of.flushed;
    this.#send = of.send;
    this.#isIdle = of.isIdle;
  }

  get flushed(): Lsn {
    return this.#flushed;
  }

  durable(commitEnd: Lsn): void {
    if (commitEnd > this.#flushed) this.#flushed = commitEnd;
    this.#send(this.#flushed);
  }

  keepalive(walEnd: Lsn, replyNow: boolean): void {
    const advances = walEnd > this.#flushed && this.#isIdle();
    if (advances) this.#flushed = walEnd;
    if (advances || replyNow) this.#send(this.#flushed);
  }

  /**
   * Repeats the last word until `signal` aborts: a server that asks for an answer while the socket is paused is not heard, and would end
   * the connection after wal_sender_timeout.
   */
  repeat(signal: AbortSignal): void {
    if (signal.aborted) return;
    const timer = setInterval(() => this.#send(this.#flushed), REPEAT_MS);
    signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  }
}
