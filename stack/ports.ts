import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/**
 * Ports that nobody listens on. They are taken from below 32768, where Linux begins to give out ports to outgoing connections (macOS:
 * 49152): a server that is restarted on its port must not find it lent to some client, and a client that knocks while
 * the server is down must not be able to connect to itself.
 */
const FIRST = 20_000;
const LAST = 32_000;

export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  for (let attempts = 0; ports.size < count; attempts++) {
    if (attempts > 1_000) throw new Error(`no ${count} free ports between ${FIRST} and ${LAST}`);
    const port = randomInt(FIRST, LAST);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(true)));
  });
}
