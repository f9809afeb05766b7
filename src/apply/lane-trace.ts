/** Tells the tracer which heartbeats a lane has committed. Only there where traces are asked for. */

import { parseBeat } from "../capture/index.ts";
import { formatPosition } from "../model/position.ts";
import type { IncomingMessage } from "../ports.ts";
import { applied, type Span } from "../traces/index.ts";
import type { LaneName } from "./membership.ts";
import type { Plan } from "./plan.ts";
import type { MessageSchemas } from "./schemas.ts";

export class LaneTrace {
  readonly #record: (span: Span) => void;
  readonly #name: LaneName;
  readonly #schemas: MessageSchemas;
  #beat: ReturnType<typeof parseBeat>;
  #changes = 0;

  constructor(record: (span: Span) => void, name: LaneName, schemas: MessageSchemas) {
    this.#record = record;
    this.#name = name;
    this.#schemas = schemas;
  }

  /** A part of the transaction under way was written: the newest heartbeat in it stands for those before. */
  written(messages: readonly IncomingMessage[], { count }: Plan): void {
    this.#changes += count;
    for (let index = messages.length - 1; index >= 0; index--) {
      const beat = this.#beatIn(messages[index]);
      if (beat === undefined) continue;
      this.#beat = beat;
      return;
    }
  }

  committed({ position }: Plan): void {
    const { migration, partition, lane } = this.#name;
    if (this.#beat !== undefined) {
      const way = { migration, beat: this.#beat, position: formatPosition(position) };
      this.#record(applied(way, { partition, lane, changes: this.#changes }, Date.now()));
    }
    this.forget();
  }

  /** The transaction was rolled back. */
  forget(): void {
    this.#beat = undefined;
    this.#changes = 0;
  }

  #beatIn(message: IncomingMessage | undefined): ReturnType<typeof parseBeat> {
    if (message === undefined || message.tenant !== undefined) return undefined;
    const { reader } = this.#schemas.of(message);
    if (reader.schema.kind !== "message") return undefined;
    reader.read(message.value);
    return parseBeat(reader.message().content.toString(), this.#name.migration);
  }
}
