/** The traces of one role, for as long as its stage lives. */

import type { Role } from "../cli/engine.ts";
import type { EngineDeps } from "../systems.ts";
import { collectorOf, type Span, Tracer } from "../traces/index.ts";

export type Tracing = AsyncDisposable & {
  /** Undefined: nobody has asked for traces. */
  readonly trace: ((span: Span) => void) | undefined;
};

export function startTracing(role: Role, { file, version, context }: Pick<EngineDeps, "file" | "version" | "context">): Tracing {
  const collector = collectorOf(process.env);
  if (collector === undefined) return { trace: undefined, [Symbol.asyncDispose]: async () => undefined };
  const resource = { "service.version": version, "rehouse.migration": file.name, "rehouse.role": role };
  const tracer = new Tracer(collector, resource, context.log);
  return { trace: (span) => tracer.record(span), [Symbol.asyncDispose]: () => tracer[Symbol.asyncDispose]() };
}
