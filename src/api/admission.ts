/** What a request has to pass before anything of it is read: where it comes from, how many there are, who asks, and whether that role may. */

import type { FastifyRequest } from "fastify";
import type { Access } from "../access/index.ts";
import { RehouseError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { Authentication, forbidden } from "./authentication.ts";
import { type Caller, whoIs } from "./caller.ts";
import { DASHBOARD_PATH } from "./dashboard.ts";
import { refusalOf } from "./guard.ts";
import { RefusedRequest } from "./problem.ts";
import { addressKey, RateLimit } from "./rate-limit.ts";
import type { Permission } from "./route.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Null until it is admitted. */
    caller: Caller | null;
  }
}

/** A dashboard asks a few times a second; what asks for more has lost its way. */
const RATE = { perSecond: 50, burst: 200 } as const;

export class Admission {
  readonly #access: Access;
  readonly #log: Logger;
  readonly #onLoopback: boolean;
  readonly #authentication: Authentication;
  readonly #addresses = new RateLimit(RATE);
  readonly #tokens = new RateLimit(RATE);

  constructor(of: { readonly access: Access; readonly log: Logger; readonly onLoopback: boolean }) {
    this.#access = of.access;
    this.#log = of.log;
    this.#onLoopback = of.onLoopback;
    this.#authentication = new Authentication(of);
  }

  /** Of every request, also one that no route takes. */
  readonly arrive = async (request: FastifyRequest): Promise<void> => {
    const { host, origin } = request.headers;
    const fetchSite = header(request, "sec-fetch-site");
    const refusal = refusalOf({ host, origin, fetchSite, opensDashboard: opensDashboard(request) }, this.#onLoopback);
    if (refusal !== undefined) throw refusal;
    requireRoom(this.#addresses, addressKey(request.ip));
  };

  /** Of one that a route takes: names the caller. */
  admit(permission: Permission): (request: FastifyRequest) => Promise<void> {
    return async (request) => {
      const caller = await this.#callerOf(request, permission);
      if (caller.token !== null) requireRoom(this.#tokens, caller.token);
      const refusal = forbidden(caller, permission);
      if (refusal !== undefined) {
        if (request.method !== "GET") await this.#noteDenied(request, caller);
        throw refusal;
      }
      request.caller = caller;
    };
  }

  /** Whether the token that came with the request is good still. Rejects while nobody can be asked. */
  async isStillAllowed(request: FastifyRequest, permission: Permission): Promise<boolean> {
    try {
      return forbidden(await this.#callerOf(request, permission), permission) === undefined;
    } catch (error) {
      if (error instanceof RehouseError && error.code === "REHOUSE_UNAUTHENTICATED") return false;
      throw error;
    }
  }

  #callerOf(request: FastifyRequest, { tokenless }: Permission): Promise<Caller> {
    return this.#authentication.caller({
      authorization: request.headers.authorization,
      address: request.ip,
      isForwarded: ["forwarded", "x-forwarded-for", "via"].some((name) => request.headers[name] !== undefined),
      tokenless,
    });
  }

  /** Somebody tried to do more than he may; the refusal stands whether or not that can be written down. */
  async #noteDenied({ routeOptions }: FastifyRequest, caller: Caller): Promise<void> {
    const who = whoIs(caller);
    const action = routeOptions.url ?? "";
    await this.#access
      .begin({ ...who, action, tenants: null, request: {}, operation: null }, "denied")
      .catch((error: unknown) => {
        this.#log.warn(
          { event: "denial-not-written", error, action, ...who },
          "what was denied could not be written into the audit",
        );
      });
  }
}

function requireRoom(limit: RateLimit, key: string): void {
  const retryAfterS = limit.take(key, performance.now());
  if (retryAfterS === 0) return;
  throw new RefusedRequest(
    "REHOUSE_TOO_MANY",
    { what: "too many requests came at once", fix: "ask less often" },
    { retryAfterS },
  );
}

/** Somebody has followed a link from a wiki or a chat: a navigation of a whole tab, which no script, picture or frame can pass for. */
function opensDashboard(request: FastifyRequest): boolean {
  return (
    request.method === "GET" &&
    request.routeOptions.url === DASHBOARD_PATH &&
    header(request, "sec-fetch-mode") === "navigate" &&
    header(request, "sec-fetch-dest") === "document"
  );
}

function header(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === "string" ? value : undefined;
}
