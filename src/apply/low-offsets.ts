import type { ChangesTopic } from "../ports.ts";

const FRESH_MS = 1000;

/** First offsets of the topic, asked for at most once a second whatever the number of lanes. */
export class LowOffsets {
  readonly #topic: ChangesTopic;
  #at = 0;
  #offsets: ReturnType<ChangesTopic["offsets"]> | undefined;

  constructor(topic: ChangesTopic) {
    this.#topic = topic;
  }

  async of(partition: number): Promise<bigint> {
    if (this.#offsets === undefined || Date.now() - this.#at > FRESH_MS) {
      this.#at = Date.now();
      const offsets = this.#topic.offsets();
      this.#offsets = offsets;
      offsets.catch(() => {
        if (this.#offsets === offsets) this.#offsets = undefined;
      });
    }
    return (await this.#offsets).find((entry) => entry.partition === partition)?.low ?? 0n;
  }
}
