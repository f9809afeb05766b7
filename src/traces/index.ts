export { applied, published } from "./heartbeat.ts";
export { collectorOf } from "./settings.ts";
export { type Span, Tracer } from "./tracer.ts";
