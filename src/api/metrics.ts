/** `GET /metrics`, as Prometheus asks for it: with the token that its configuration names, or from this machine without. */

import type { FastifyInstance } from "fastify";
import type { Admission } from "./admission.ts";
import type { Permission } from "./route.ts";

export const METRICS_PATH = "/metrics";
export const METRICS_PERMISSION: Permission = { role: "viewer", tokenless: "on loopback" };

export function serveMetrics(
  app: FastifyInstance,
  metrics: { readonly contentType: string; text(): Promise<string> },
  admission: Admission,
): void {
  app.get(METRICS_PATH, { onRequest: admission.admit(METRICS_PERMISSION) }, async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.text()),
  );
}
