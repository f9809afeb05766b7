import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { createReplicationStream } from "../../../connectors/postgres/replication.ts";
import type { StreamListeners } from "../../../src/ports.ts";

const UNHEARD: StreamListeners = {
  connected: async () => undefined,
  started: () => undefined,
  message: () => undefined,
  keepalive: () => undefined,
};

test.for([
  { server: "says nothing", hears: () => undefined },
  { server: "ends the connection", hears: (socket: Socket) => socket.end() },
])("a stream that is stopped while it connects ends, where the server $server", { timeout: 10_000 }, async ({ hears }) => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
    socket.once("data", () => void delay(100).then(() => hears(socket)));
  }).listen(0, "127.0.0.1");
  try {
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const url = `postgres://somebody@127.0.0.1:${port}/somewhere`;
    const stream = createReplicationStream({ url, slot: "s", publication: "p" });
    const stop = new AbortController();
    const running = stream.run(undefined, UNHEARD, stop.signal);
    await once(server, "connection");
    stop.abort();
    await expect(running).resolves.toBeUndefined();
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});
