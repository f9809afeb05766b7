import { isTxLast } from "../envelope/index.ts";
import { type Position, parseLsn, START } from "../model/position.ts";
import type { IncomingMessage } from "../ports.ts";

export type TopicMessage = IncomingMessage;

/**
 * Reads the positions of messages in order; those of one transaction share their LSN, so it is parsed once. Throws a RangeError for a message
 * without one: as position 0 it would be taken for a repeated change, and lost.
 */
export class PositionReader {
  #prefix: string | undefined;
  #lsn = START.lsn;

  read(message: TopicMessage): Position {
    const text = message.headers["position"]?.toString("latin1") ?? "";
    const colon = text.indexOf(":");
    const prefix = text.slice(0, colon);
    if (prefix !== this.#prefix) {
      this.#lsn = parseLsn(prefix);
      this.#prefix = prefix;
    }
    const ordinal = Number(text.slice(colon + 1));
    if (!(ordinal > 0)) throw new RangeError(`not a position: ${text}`);
    return { lsn: this.#lsn, ordinal };
  }
}

export function isLastOfTransaction(message: TopicMessage): boolean {
  return isTxLast(message.headers);
}

export function sizeOf(message: TopicMessage): number {
  return message.value.length;
}
