/**
 * The plain listener of `rehouse run --metrics`: /metrics, /livez and /readyz, by GET, without a token. What it shows has neither secrets nor
 * names of tenants; it is on the loopback interface unless another address was named.
 */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { RehouseError } from "../errors.ts";
import type { ListenAddress } from "./address.ts";

export type Answer = { readonly status: number; readonly type: string; readonly body: string };

/** A path, and what it answers with. */
export type Pages = Readonly<Record<string, () => Promise<Answer>>>;

const TEXT = "text/plain; charset=utf-8";

/** What Prometheus and Kubernetes ask for. `metrics`: the registry; it answers within its own patience. */
export function metricsPages(metrics: {
  readonly contentType: string;
  text(): Promise<string>;
  isReady(): Promise<boolean>;
}): Pages {
  return {
    "/metrics": async () => ({ status: 200, type: metrics.contentType, body: await metrics.text() }),
    // That this is answered at all is the answer: the process is not stuck.
    "/livez": async () => ({ status: 200, type: TEXT, body: "alive\n" }),
    "/readyz": async () =>
      (await metrics.isReady())
        ? { status: 200, type: TEXT, body: "ready\n" }
        : { status: 503, type: TEXT, body: "the migration's state cannot be read, or it has not begun\n" },
  };
}

export type Listener = { readonly port: number; close(): Promise<void> };

/** Listens until it is closed. Port 0: any that is free. REHOUSE_USAGE where it cannot. */
export async function listen({ host, port }: ListenAddress, pages: Pages): Promise<Listener> {
  const server = createServer((request, response) => void answer(request, response, pages));
  server.maxConnections = 64;
  server.requestTimeout = 10_000;
  server.headersTimeout = 5_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => reject(cannotListen(`${host}:${port}`, cause)));
    server.listen(port, host, resolve);
  });
  const at = server.address();
  return {
    port: typeof at === "object" && at !== null ? at.port : port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, pages: Pages): Promise<void> {
  const { status, type, body } = await answerTo(request, pages).catch(() => ({ status: 500, type: TEXT, body: "failed\n" }));
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...(status === 405 ? { allow: "GET, HEAD" } : {}),
  });
  response.end(request.method === "HEAD" ? undefined : body);
}

async function answerTo({ method, url = "" }: IncomingMessage, pages: Pages): Promise<Answer> {
  const [path = ""] = url.split("?");
  const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
  if (page === undefined) return { status: 404, type: TEXT, body: `there is ${Object.keys(pages).join(", ")}\n` };
  if (method !== "GET" && method !== "HEAD") return { status: 405, type: TEXT, body: "GET\n" };
  return page();
}

function cannotListen(address: string, cause: Error): RehouseError {
  return new RehouseError("REHOUSE_USAGE", {
    what: `Nothing can listen on ${address}: ${cause.message}.`,
    where: "--metrics",
    fix: "name another address, or end what listens there",
    cause,
  });
}
