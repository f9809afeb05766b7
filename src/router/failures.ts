/** What an error of the application's transaction means for the router. */

import { isSide } from "./event.ts";

export type Failure =
  /** The tenant is between its homes: the same may be tried again soon, here or there. */
  | { readonly kind: "being-switched" }
  /** `to` is undefined where the detail could not be read (a driver that does not pass it on, say). */
  | { readonly kind: "moved"; readonly to: { readonly tenant: string; readonly home: "source" | "target" } | undefined }
  /** Serialization failure or deadlock: Postgres asks for the transaction to be repeated. */
  | { readonly kind: "conflict" }
  | { readonly kind: "lost" }
  /** Nothing that a repetition heals. */
  | { readonly kind: "final" };

const SQLSTATE = /^[0-9A-Z]{5}$/;

/** Connection exceptions (08), too many connections (53300), operator intervention that ends the session (57P01 to 57P05). */
const LOST_SQLSTATE = /^(08|53300$|57P0[1-5]$)/;

/** Codes of Node's sockets, and of drivers in the manner of postgres.js. */
const LOST_CODES = new Set([
  "ECONNRESET",
  "ECONNREFUSED",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "CONNECTION_CLOSED",
  "CONNECTION_DESTROYED",
  "CONNECTION_ENDED",
  "CONNECT_TIMEOUT",
]);

/** pg has no code for these. */
const LOST_MESSAGE = /^(Connection terminated|Client has encountered a connection error|timeout exceeded when trying to connect)/;

/** An error that the application wrapped is looked for in its causes, so deep. */
const DEEPEST = 8;

export function failureOf(error: unknown): Failure {
  for (const cause of chain(error)) {
    const failure = ofOne(cause);
    if (failure !== undefined) return failure;
  }
  return { kind: "final" };
}

/**
 * Whether an error that answered a COMMIT proves that nothing was committed. Not when the connection is gone, nor when the session was ended
 * or the server failed (57P0x, 58, XX): that can happen once the commit is written, while replicas are waited for. 40003 says so itself.
 */
export function provesNoCommit(error: unknown): boolean {
  const code = codeOf(error);
  return code !== undefined && isSqlstate(code) && !/^(08|57P|58|XX|40003)/.test(code);
}

function ofOne(error: object): Failure | undefined {
  const code = codeOf(error);
  if (code === undefined) {
    const message: unknown = Reflect.get(error, "message");
    const isLost = typeof message === "string" && LOST_MESSAGE.test(message);
    return isLost || Reflect.get(error, "name") === "TimedOut" ? { kind: "lost" } : undefined;
  }
  if (LOST_CODES.has(code)) return { kind: "lost" };
  if (!isSqlstate(code)) return undefined;
  if (code === "RH010") return { kind: "being-switched" };
  if (code === "RH011") return { kind: "moved", to: newHome(Reflect.get(error, "detail")) };
  if (code === "40001" || code === "40P01") return { kind: "conflict" };
  return LOST_SQLSTATE.test(code) ? { kind: "lost" } : { kind: "final" };
}

function newHome(detail: unknown): Extract<Failure, { kind: "moved" }>["to"] {
  try {
    const parsed: unknown = JSON.parse(String(detail));
    if (typeof parsed !== "object" || parsed === null) return undefined;
    const [tenant, home]: unknown[] = [Reflect.get(parsed, "tenant"), Reflect.get(parsed, "home")];
    return typeof tenant === "string" && isSide(home) ? { tenant, home } : undefined;
  } catch {
    return undefined;
  }
}

function* chain(error: unknown): Iterable<object> {
  let one = error;
  for (let depth = 0; depth < DEEPEST && typeof one === "object" && one !== null; depth += 1) {
    yield one;
    one = Reflect.get(one, "cause");
  }
}

function codeOf(error: unknown): string | undefined {
  const code: unknown = typeof error === "object" && error !== null ? Reflect.get(error, "code") : undefined;
  return typeof code === "string" ? code : undefined;
}

/** EPIPE has the shape of one. */
function isSqlstate(code: string): boolean {
  return SQLSTATE.test(code) && !LOST_CODES.has(code);
}
