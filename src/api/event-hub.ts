/**
 * Events for all who listen, numbered, and the newest of them kept: whoever lost the connection says which event was the last that it saw, and
 * gets those after it, or `reset` where they are no longer there, which means that everything has to be asked for again.
 */

import { randomBytes } from "node:crypto";

/** Takes frames of a stream of Server-Sent Events (HTML Living Standard, 9.2). */
export type Listener = {
  /** Whether events of this name are for it. */
  hears(event: string): boolean;
  send(frame: string): void;
  end(): void;
};

/** More than is missed in a few minutes, and little enough to be sent at once. */
const MOST_KEPT = 1_000;
const MOST_KEPT_BYTES = 256 * 1024;

export class EventHub {
  readonly #listeners = new Set<Listener>();
  #kept: { readonly number: number; readonly event: string; readonly frame: string }[] = [];
  #keptBytes = 0;
  #number = 0;
  /** Ids of another process, or from before a pause, are not taken for our own. */
  #run = newRun();

  get listeners(): number {
    return this.#listeners.size;
  }

  publish(event: string, data: unknown): void {
    const number = ++this.#number;
    const frame = frameOf(event, data, `${this.#run}-${number}`);
    this.#kept.push({ number, event, frame });
    this.#keptBytes += frame.length;
    while (this.#kept.length > MOST_KEPT || this.#keptBytes > MOST_KEPT_BYTES)
      this.#keptBytes -= this.#kept.shift()?.frame.length ?? 0;
    for (const listener of this.#listeners) if (listener.hears(event)) listener.send(frame);
  }

  /** `lastEventId` as the client sent it. Resolves to what takes it off again. */
  listen(listener: Listener, lastEventId: string | undefined): () => void {
    if (lastEventId !== undefined) this.#resume(listener, lastEventId);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** While nobody listens nothing is looked for, so nobody may go on from before that. */
  forget(): void {
    this.#run = newRun();
    this.#kept = [];
    this.#keptBytes = 0;
  }

  close(): void {
    for (const listener of this.#listeners) listener.end();
    this.#listeners.clear();
  }

  #resume(listener: Listener, lastEventId: string): void {
    const [run, seen] = [lastEventId.slice(0, lastEventId.lastIndexOf("-")), Number(lastEventId.split("-").at(-1))];
    const oldest = this.#kept[0]?.number ?? this.#number + 1;
    const isKnown = run === this.#run && seen <= this.#number && seen >= oldest - 1;
    if (!isKnown) listener.send(frameOf("reset", {}, `${this.#run}-${this.#number}`));
    else for (const { number, event, frame } of this.#kept) if (number > seen && listener.hears(event)) listener.send(frame);
  }
}

/** JSON has no line break of its own, so the data is one line. */
export function frameOf(event: string, data: unknown, id?: string): string {
  return `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

function newRun(): string {
  return randomBytes(6).toString("hex");
}
