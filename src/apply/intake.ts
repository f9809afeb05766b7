import { isTxLast } from "../envelope/index.ts";
import { type Position, parseLsn, START } from "../model/position.ts";
import type { IncomingMessage } from "../ports.ts";

export type TopicMessage = IncomingMessage;

/** Reads the positions of messages in order; those of one transaction share their LSN, so it is parsed once. */
export class PositionReader {
  #prefix = "";
  #lsn = START.lsn;

  read(message: TopicMessage): Position {
    const text = message.headers["position"]?.toString("latin1") ?? "";
    const colon = text.indexOf(":");
    const prefix = text.slice(0, colon);
    if (prefix !== this.#prefix) {
      this.#lsn = parseLsn(prefix);
      this.#prefix = prefix;
    }
    return { lsn: this.#lsn, ordinal: Number(text.slice(colon + 1)) };
  }
}

export function isLastOfTransaction(message: TopicMessage): boolean {
  return isTxLast(message.headers);
}

export function sizeOf(message: TopicMessage): number {
  return message.value.length;
}
