/** `GET /api/v1/events`: who may listen, how many, how far a client may fall behind, and until when. */

import type { ServerResponse } from "node:http";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Admission } from "./admission.ts";
import type { Listener } from "./event-hub.ts";
import { EVENTS_PATH, EVENTS_PERMISSION, NEEDS_TOKEN } from "./events.ts";
import type { Live } from "./live.ts";
import { RefusedRequest } from "./problem.ts";

/** A client that has not read this much is cut off; it comes back with the last event that it saw. */
const MOST_UNREAD_BYTES = 1024 * 1024;
/** Proxies cut what is silent for half a minute or a minute. */
const HEARTBEAT_MS = 15_000;
/** What a browser waits before it comes back. */
const RETRY_MS = 2_000;
const MOST_STREAMS = 100;
/** Of one token, or one address without. */
const MOST_STREAMS_EACH = 10;

export class Streams {
  readonly #live: Live;
  readonly #admission: Admission;
  readonly #open = new Map<string, number>();

  constructor(live: Live, admission: Admission) {
    this.#live = live;
    this.#admission = admission;
  }

  serve(app: FastifyInstance, headers: Readonly<Record<string, string>>): void {
    app.get(EVENTS_PATH, { onRequest: this.#admission.admit(EVENTS_PERMISSION) }, async (request, reply) => {
      const key = request.caller?.token ?? request.ip;
      this.#enter(key);
      // From here on the answer is the stream's own.
      reply.hijack();
      const lastEventId = request.headers["last-event-id"];
      const listener = this.#begin(request, reply.raw, headers);
      const leave = this.#live.listen(listener, typeof lastEventId === "string" ? lastEventId : undefined);
      const left = () => {
        leave();
        this.#leave(key);
      };
      // It may have gone while it was let in.
      if (reply.raw.destroyed) left();
      else reply.raw.once("close", left);
    });
  }

  /** With every heartbeat it is asked whether the token is good still: one that was revoked meanwhile hears no more. */
  #begin(request: FastifyRequest, response: ServerResponse, headers: Readonly<Record<string, string>>): Listener {
    const hasToken = request.caller?.token !== null;
    response.writeHead(200, { ...headers, "content-type": "text/event-stream; charset=utf-8" });
    response.write(`retry: ${RETRY_MS}\n\n`);
    const listener: Listener = {
      hears: (event) => hasToken || !NEEDS_TOKEN.has(event),
      send: (frame) => {
        // Until the client has heard of the end it is one of those that are told.
        if (response.writableEnded || response.destroyed) return;
        response.write(frame);
        if (response.writableLength > MOST_UNREAD_BYTES) response.destroy();
      },
      end: () => void response.end(),
    };
    const heart = setInterval(() => {
      listener.send(": heartbeat\n\n");
      // While the target is away nobody can be asked, and what there is to hear is that.
      void this.#admission.isStillAllowed(request, EVENTS_PERMISSION).then(
        (isAllowed) => isAllowed || listener.end(),
        () => undefined,
      );
    }, HEARTBEAT_MS);
    response.once("close", () => clearInterval(heart));
    return listener;
  }

  #enter(key: string): void {
    const all = [...this.#open.values()].reduce((sum, count) => sum + count, 0);
    const own = this.#open.get(key) ?? 0;
    if (all >= MOST_STREAMS || own >= MOST_STREAMS_EACH)
      throw new RefusedRequest("REHOUSE_TOO_MANY", {
        what: `${own < MOST_STREAMS_EACH ? all : own} streams of events are open`,
        fix: "close some of them; one is enough for everything",
      });
    this.#open.set(key, own + 1);
  }

  #leave(key: string): void {
    const left = (this.#open.get(key) ?? 1) - 1;
    if (left === 0) this.#open.delete(key);
    else this.#open.set(key, left);
  }
}
