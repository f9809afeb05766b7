/** How an answer, or an error, goes out. */

import type { FastifyReply } from "fastify";
import { TimedOut } from "../in-time.ts";
import { PROBLEM_TYPE, problemOf, RefusedRequest } from "./problem.ts";
import type { Answer } from "./route.ts";

const JSON_TYPE = "application/json; charset=utf-8";

export function sendAnswer(reply: FastifyReply, answer: Answer<unknown>, usualStatus: number): FastifyReply {
  if (answer.location !== undefined) reply.header("location", answer.location);
  const body = "json" in answer ? answer.json : JSON.stringify(answer.body);
  return reply
    .code(answer.status ?? usualStatus)
    .type(JSON_TYPE)
    .send(body);
}

export function sendProblem(reply: FastifyReply, thrown: unknown): FastifyReply {
  const { problem, retryAfterS } = toldOf(thrown);
  if (retryAfterS !== undefined) reply.header("retry-after", String(retryAfterS));
  // RFC 9110, 11.6.1: it says how to authenticate.
  if (problem.status === 401) reply.header("www-authenticate", 'Bearer realm="rehouse"');
  return reply.code(problem.status).type(PROBLEM_TYPE).send(JSON.stringify(problem));
}

/** What the client is told of whatever was thrown while it was served. */
export function toldOf(thrown: unknown): ReturnType<typeof problemOf> {
  return problemOf(asRefused(thrown));
}

/** What Fastify itself refuses: a body that is too long, no JSON, or of another type, an address that cannot be decoded. */
function asRefused(thrown: unknown): unknown {
  if (thrown instanceof TimedOut)
    return new RefusedRequest("REHOUSE_UNREACHABLE", {
      what: "a database has not answered in time",
      fix: "GET /readyz says which one; what was begun goes on",
    });
  if (!(thrown instanceof Error) || !("statusCode" in thrown)) return thrown;
  const status = Number(thrown.statusCode);
  if (!(status >= 400 && status < 500)) return thrown;
  return new RefusedRequest("REHOUSE_USAGE", { what: thrown.message, fix: "docs/api.md has examples" }, { status });
}
