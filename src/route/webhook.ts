/** A webhook that hears of each change of a route, as a channel. */

import { RehouseError } from "../errors.ts";
import type { WebhookSettings } from "../file/index.ts";
import type { Channel } from "./deliver.ts";
import type { RouteChange } from "./route.ts";
import { SIGNATURE_HEADER, sign } from "./signature.ts";

/** One that has not answered by then is asked again later; far below the outbox' lease. */
const ANSWER_WITHIN_MS = 10_000;

/** Told when its server is reached, and has answered with 2xx. The URL may hold a secret of its own, so only its origin is ever named. */
export function webhookChannel({ url, secret }: WebhookSettings): Channel {
  const where = new URL(url).origin;
  return {
    name: "webhook",
    parallel: 8,
    async tell(change, signal) {
      const response = await post(url, bodyOf(change), secret, signal).catch((error: unknown) => {
        throw unreachable(error, where);
      });
      await response.body?.cancel();
      if (!response.ok) throw refused(response.status, where);
    },
    close: () => Promise.resolve(),
  };
}

function post(url: string, body: string, secret: string, signal: AbortSignal): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", [SIGNATURE_HEADER]: sign(body, secret, Date.now()) },
    body,
    // A redirected POST would become a GET, or carry the route to a place that the file does not name.
    redirect: "manual",
    signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]),
  });
}

function bodyOf({ migration, tenant, home, schema, generation, sinceMs }: RouteChange): string {
  return JSON.stringify({ event: "route", migration, tenant, home, schema, generation, since: new Date(sinceMs).toISOString() });
}

function unreachable(error: unknown, where: string): RehouseError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return new RehouseError("REHOUSE_WEBHOOK", {
    what: `the webhook did not answer: ${cause instanceof Error ? cause.message : String(cause)}`,
    where,
    fix: "check route.webhook.url, and that its server runs",
    cause: error,
  });
}

function refused(status: number, where: string): RehouseError {
  return new RehouseError("REHOUSE_WEBHOOK", {
    what: `the webhook answered with ${status}, where 2xx is needed`,
    where,
    fix: "look into its server's log; it is told again, in order, until it answers with 2xx",
  });
}
