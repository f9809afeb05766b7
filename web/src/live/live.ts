/** The one place that knows how the migration is: fed by the stream of events, read by every view. */

import { batch, effect, signal } from "@preact/signals";
import { get } from "../api/client.ts";
import { asTrouble, type Trouble } from "../api/failure.ts";
import { token } from "../api/session.ts";
import type { Frame } from "../api/sse.ts";
import { type Connection, listen } from "../api/stream.ts";
import type { Events, Summary } from "../api/types.ts";
import { type Mark, noticed, withMark } from "./marks.ts";
import { type Point, pointOf, withPoint } from "./series.ts";

export const connection = signal<Connection>({ kind: "connecting" });
export const summary = signal<Summary | null>(null);
/** Why the server cannot tell how the migration is; what is shown is older then. */
export const trouble = signal<Trouble | null>(null);
export const points = signal<readonly Point[]>([]);
export const marks = signal<readonly Mark[]>([]);
/** Goes up whenever tenants may stand in another place of a list than before. */
export const tenantsVersion = signal(0);
/** Operations that the stream has told of, by id; only with a token. */
export const operations = signal<ReadonlyMap<string, Events["operation"]>>(new Map());

const MOST_OPERATIONS = 100;

/** Listens as whoever is signed in; somebody else begins anew. Returns what ends it. */
export function goLive(): () => void {
  let listening = new AbortController();
  const stop = effect(() => {
    // What one has seen is not for whoever sits there next.
    if (token.value === null) forget();
    listening.abort();
    listening = new AbortController();
    const { signal: until } = listening;
    // What follows reads other signals, which are no reason to listen anew.
    queueMicrotask(() => until.aborted || void listen({ onFrame, onConnection: (now) => hear(now, until) }, until));
  });
  return () => {
    stop();
    listening.abort();
  };
}

function forget(): void {
  batch(() => {
    connection.value = { kind: "connecting" };
    [summary.value, trouble.value] = [null, null];
    [points.value, marks.value] = [[], []];
    operations.value = new Map();
  });
}

function hear(now: Connection, until: AbortSignal): void {
  connection.value = now;
  // The first look of the stream may take as long as a look at all tenants does; what is known already comes at once.
  if (now.kind === "live")
    get("/summary", undefined, until).then(see, (error: unknown) => {
      if (!until.aborted) trouble.value = asTrouble(error);
    });
}

function onFrame({ event, data }: Frame): void {
  const heard = { event, data: JSON.parse(data) } as {
    [Name in keyof Events]: { event: Name; data: Events[Name] };
  }[keyof Events];
  if (heard.event === "status") see(heard.data);
  else if (heard.event === "tenants" || heard.event === "reset") tenantsVersion.value++;
  else if (heard.event === "problem") trouble.value = { ...heard.data };
  else if (heard.event === "operation")
    operations.value = new Map([...operations.value, [heard.data.id, heard.data] as const].slice(-MOST_OPERATIONS));
}

function see(now: Summary): void {
  const at = Date.now();
  const mark = noticed(summary.value, now, at);
  batch(() => {
    trouble.value = null;
    points.value = withPoint(points.value, pointOf(now, at));
    if (mark !== undefined) marks.value = withMark(marks.value, mark);
    summary.value = now;
  });
}
