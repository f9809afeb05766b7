/**
 * Listens to the API's events for as long as the page is open, and comes back by itself. An EventSource would do that, too, but sends no
 * Authorization header.
 */

import { backoffMs } from "./backoff.ts";
import { BASE, refusal } from "./client.ts";
import { ApiFailure, asTrouble, type Trouble, troubleOf, UNREACHABLE } from "./failure.ts";
import { authorization, token } from "./session.ts";
import { type Frame, FrameParser } from "./sse.ts";

/** `refused`: asking again as the same one gets no further. */
export type Connection =
  | { readonly kind: "connecting" }
  | { readonly kind: "live" }
  | { readonly kind: "lost"; readonly sinceMs: number; readonly trouble: Trouble }
  | { readonly kind: "refused"; readonly trouble: Trouble };

/** A heartbeat comes every 15 s; two that are missing mean that nobody is there. */
const SILENT_FOR_MS = 35_000;

type Listener = { onFrame(frame: Frame): void; onConnection(connection: Connection): void };

/** Resolves once the signal has aborted, or the server wants a token that there is none of. */
export async function listen({ onFrame, onConnection }: Listener, signal: AbortSignal): Promise<void> {
  let lastEventId: string | undefined;
  let [attempt, lostAtMs]: [number, number | undefined] = [0, undefined];
  onConnection({ kind: "connecting" });
  while (!signal.aborted) {
    try {
      await follow(signal, lastEventId, {
        onOpen: () => {
          [attempt, lostAtMs] = [0, undefined];
          onConnection({ kind: "live" });
        },
        onFrame: (frame) => {
          lastEventId = frame.id ?? lastEventId;
          onFrame(frame);
        },
      });
      throw new ApiFailure({ ...UNREACHABLE, what: "the server ended the connection" });
    } catch (error) {
      if (signal.aborted) return;
      const trouble = asTrouble(error);
      if (trouble.status === 401 || trouble.status === 403) return onConnection({ kind: "refused", trouble });
      lostAtMs ??= Date.now();
      onConnection({ kind: "lost", sinceMs: lostAtMs, trouble });
    }
    await pause(backoffMs(++attempt, Math.random()), signal);
  }
}

async function follow(
  outer: AbortSignal,
  lastEventId: string | undefined,
  { onOpen, onFrame }: { onOpen(): void; onFrame(frame: Frame): void },
): Promise<void> {
  const silence = new AbortController();
  const signal = AbortSignal.any([outer, silence.signal]);
  const giveUp = () => silence.abort(new ApiFailure({ ...UNREACHABLE, what: "nothing has come from the server for a while" }));
  let timer = setTimeout(giveUp, SILENT_FOR_MS);
  try {
    const asWhom = token.value;
    const headers = { ...authorization(), ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId }) };
    const response = await fetch(`${BASE}/events`, { headers, cache: "no-store", signal });
    if (!response.ok || response.body === null) throw refusal(await troubleOf(response), asWhom);
    onOpen();
    const parser = new FrameParser();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      clearTimeout(timer);
      timer = setTimeout(giveUp, SILENT_FOR_MS);
      for (const frame of parser.push(part.value)) onFrame(frame);
    }
  } finally {
    clearTimeout(timer);
  }
}

/** A network that is there again is tried at once. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = new AbortController();
    const end = () => {
      clearTimeout(timer);
      done.abort();
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end, { signal: done.signal });
    window.addEventListener("online", end, { signal: done.signal });
  });
}
