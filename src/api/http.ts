/** The server under Fastify, with and without TLS: what is slow to ask is cut off. */

import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";

export type Tls = { readonly cert: Buffer; readonly key: Buffer };

/** For a request to come in whole. Answers take as long as they take: a stream of events has no end. */
const REQUEST_WITHIN_MS = 10_000;
/** For the next request on a connection; longer than proxies usually keep one, so that it is they who close it. */
const KEEP_ALIVE_MS = 65_000;
const MOST_CONNECTIONS = 512;

export function httpServer(tls: Tls | undefined, listener: RequestListener): Server {
  const limits = { requestTimeout: REQUEST_WITHIN_MS, headersTimeout: REQUEST_WITHIN_MS, keepAliveTimeout: KEEP_ALIVE_MS };
  const server =
    tls === undefined ? createServer(limits, listener) : createTlsServer({ ...limits, ...tls, minVersion: "TLSv1.2" }, listener);
  server.maxConnections = MOST_CONNECTIONS;
  return server;
}
