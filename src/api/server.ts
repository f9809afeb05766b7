/** Routes, the stream of events, the OpenAPI document and the dashboard as one server. `listen.ts` says where it may listen. */

import Fastify, { type FastifyInstance } from "fastify";
import type { Engine } from "../cli/engine.ts";
import { inTime } from "../in-time.ts";
import type { Logger } from "../log.ts";
import type { MigrationMetrics } from "../metrics/index.ts";
import { Admission } from "./admission.ts";
import { sendAnswer, sendProblem, toldOf } from "./answers.ts";
import type { Around } from "./around.ts";
import { BUILT_DASHBOARD, serveDashboard } from "./dashboard.ts";
import { EventHub } from "./event-hub.ts";
import { securityHeaders } from "./headers.ts";
import { httpServer, type Tls } from "./http.ts";
import { Live } from "./live.ts";
import { serveMetrics } from "./metrics.ts";
import { openApiDocument } from "./openapi.ts";
import { Operations } from "./operations.ts";
import { RefusedRequest } from "./problem.ts";
import type { Route } from "./route.ts";
import { ROUTES } from "./routes.ts";
import { shared } from "./shared.ts";
import { Snapshots } from "./snapshot.ts";
import { Streams } from "./stream.ts";

export type ServerSettings = {
  readonly engine: Engine;
  readonly migration: string;
  readonly log: Logger;
  /** Whether only this machine can reach it. */
  readonly onLoopback: boolean;
  readonly tls: Tls | undefined;
  readonly archive: string | undefined;
  readonly metrics: Pick<MigrationMetrics, "contentType" | "text">;
  /** Directory of the built dashboard; left out: the package's own. */
  readonly dashboard?: string;
};

export type ApiServer = {
  readonly app: FastifyInstance;
  /** Ends streams, cancels operations, and waits for what is under way. */
  close(): Promise<void>;
};

/** The longest request names a thousand tenants twice. */
const MOST_BODY_BYTES = 1024 * 1024;
/** Of a path, percent-encoded. */
const MOST_PARAM_LENGTH = 10_000;
const ANSWER_WITHIN_MS = 60_000;
/** What is asked of all servers is asked once for all who want to know. */
const DOCTOR_FOR_MS = 5_000;
const READINESS_FOR_MS = 1_000;

export function createServer(settings: ServerSettings): ApiServer {
  const { engine, migration, log, onLoopback, archive, dashboard = BUILT_DASHBOARD } = settings;
  const closing = new AbortController();
  const hub = new EventHub();
  const snapshots = new Snapshots((signal) => engine.status(signal), closing.signal);
  const operations = new Operations({
    ...{ access: engine.access, log },
    onChange: (operation) => {
      snapshots.invalidate();
      hub.publish("operation", operation);
    },
  });
  const around: Around = {
    ...{ migration, engine, snapshots, operations, archive },
    readiness: shared(() => engine.history.readiness(closing.signal), READINESS_FOR_MS),
    doctor: shared(() => engine.doctor(closing.signal), DOCTOR_FOR_MS),
  };
  const admission = new Admission({ access: engine.access, log, onLoopback });
  const live = new Live({ hub, snapshots, signal: closing.signal });

  const app = bareServer(settings, admission);
  for (const route of ROUTES) serve(app, route, around, admission);
  serveOpenApi(app, admission);
  serveMetrics(app, settings.metrics, admission);
  serveDashboard(app, dashboard);
  new Streams(live, admission).serve(app, securityHeaders(settings.tls !== undefined));
  return {
    app,
    close: async () => {
      closing.abort();
      hub.close();
      await operations.close();
      await app.close();
    },
  };
}

/** What holds for every request, whatever it asks for. */
function bareServer({ tls, log }: ServerSettings, admission: Admission): FastifyInstance {
  const headers = securityHeaders(tls !== undefined);
  const app = Fastify({
    serverFactory: (handler) => httpServer(tls, handler),
    bodyLimit: MOST_BODY_BYTES,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: MOST_PARAM_LENGTH },
    // Before any hook: an address that cannot be decoded.
    frameworkErrors: (error, _request, reply) => void sendProblem(reply.headers(headers), error),
  });
  // JSON and nothing else: what a form of another site can send is none.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "string" }, app.getDefaultJsonParser("error", "error"));
  app.decorateRequest("caller", null);
  app.addHook("onRequest", async (request, reply) => {
    reply.headers(headers);
    await admission.arrive(request);
  });
  app.addHook("onResponse", async ({ method, routeOptions, caller, ip }, reply) => {
    const { statusCode: status, elapsedTime } = reply;
    const about = { method, route: routeOptions.url, status, ms: Math.round(elapsedTime), by: caller?.name, address: ip };
    log.info({ event: "request", ...about }, "request");
  });
  app.setErrorHandler((error, { method, routeOptions }, reply) => {
    const { problem } = toldOf(error);
    if (problem.status >= 500)
      log.error({ event: "request-failed", error: problem, method, route: routeOptions.url }, "a request failed");
    return sendProblem(reply, error);
  });
  app.setNotFoundHandler(() => {
    throw new RefusedRequest("REHOUSE_NOT_FOUND", { what: "there is nothing at this address", fix: "GET /api/v1/openapi.json" });
  });
  return app;
}

function serve(app: FastifyInstance, route: Route, around: Around, admission: Admission): void {
  app.route({
    method: route.method,
    url: route.path.replaceAll(/\{(\w+)\}/g, ":$1"),
    onRequest: admission.admit(route),
    handler: async ({ method, params, query, body, caller }, reply) => {
      if (caller === null) throw new Error("the request was not admitted");
      const asked = route.run({ params, query, body: method === "GET" ? {} : body, around, caller });
      return sendAnswer(reply, await inTime(asked, ANSWER_WITHIN_MS, "no answer"), route.status);
    },
  });
}

function serveOpenApi(app: FastifyInstance, admission: Admission): void {
  let document: Buffer | undefined;
  app.get(
    "/api/v1/openapi.json",
    { onRequest: admission.admit({ role: "viewer", tokenless: "always" }) },
    async (_request, reply) => {
      document ??= Buffer.from(JSON.stringify(openApiDocument()));
      return sendAnswer(reply, { json: document }, 200);
    },
  );
}
