/** The loop that empties the outbox into Kafka: flush, then acknowledge, then note, and never in another order. */

import { failpoint } from "../failpoint.ts";
import type { Lsn } from "../model/position.ts";
import type { ChangesProducer } from "../ports.ts";
import type { Beat } from "./beat.ts";
import type { Offsets } from "./notes.ts";
import type { Outbox } from "./outbox.ts";

export class Publisher {
  readonly #outbox: Outbox;
  readonly #producer: ChangesProducer;
  /** What Kafka has confirmed: the next offset of each partition. */
  readonly #next: bigint[];
  #sending = false;

  /** `next`: the topic's ends before anything was sent. */
  constructor(outbox: Outbox, producer: ChangesProducer, next: Offsets) {
    this.#outbox = outbox;
    this.#producer = producer;
    this.#next = [...next];
  }

  /** Nothing queued, nothing under way. */
  get isIdle(): boolean {
    return !this.#sending && this.#outbox.isEmpty;
  }

  async run(
    on: { taken(): void; durable(commitEnd: Lsn): void; beat(beat: Beat, lsn: Lsn, offsetsBefore: Offsets): void },
    signal: AbortSignal,
  ): Promise<void> {
    for (;;) {
      const batch = await this.#outbox.take(signal);
      if (batch === undefined) return;
      this.#sending = true;
      on.taken();
      const offsetsBefore = batch.beats.length === 0 ? [] : [...this.#next];
      if (batch.messages.length > 0) {
        await failpoint("publish.before");
        for (const [partition, next] of await this.#producer.publish(batch.messages)) this.#next[partition] = next;
        await failpoint("publish.after");
      }
      this.#sending = false;
      if (batch.commitEnd !== undefined) {
        await failpoint("ack.before");
        on.durable(batch.commitEnd);
        await failpoint("ack.after");
      }
      for (const { beat, lsn } of batch.beats) on.beat(beat, lsn, offsetsBefore);
    }
  }
}
