/**
 * Spans, to a collector that speaks OTLP over HTTP in JSON (https://opentelemetry.io/docs/specs/otlp/). They are gathered and sent every few
 * seconds; the work that they tell of never waits for them: beyond the bound, and where the collector does not answer, they are dropped.
 */

import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "../log.ts";
import type { Collector } from "./settings.ts";

export type Span = {
  /** 32 hexadecimal digits. */
  readonly trace: string;
  /** 16 of them, as `parent`. */
  readonly span: string;
  readonly parent?: string;
  readonly name: string;
  readonly kind: "producer" | "consumer";
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, string | number>>;
};

/** The spec's numbers. */
const KINDS = { producer: 4, consumer: 5 } as const;
const SEND_EVERY_MS = 5_000;
const MOST_WAITING = 2_048;
const PATIENCE_MS = 5_000;
/** What is told last must not keep a role from ending. */
const LAST_PATIENCE_MS = 1_000;

export class Tracer implements AsyncDisposable {
  readonly #collector: Collector;
  readonly #resource: Readonly<Record<string, string>>;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  readonly #sending: Promise<void>;
  #waiting: Span[] = [];

  constructor(collector: Collector, resource: Readonly<Record<string, string>>, log: Logger) {
    this.#collector = collector;
    this.#resource = { "service.name": collector.serviceName, ...resource };
    this.#log = log;
    this.#sending = this.#run(this.#stop.signal);
  }

  record(span: Span): void {
    if (this.#waiting.length < MOST_WAITING) this.#waiting.push(span);
  }

  /** Sends what there is, for a moment at most. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#sending;
    await this.#send(LAST_PATIENCE_MS);
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await delay(SEND_EVERY_MS, undefined, { signal, ref: false }).catch(() => undefined);
      if (!signal.aborted) await this.#send(PATIENCE_MS);
    }
  }

  async #send(patienceMs: number): Promise<void> {
    const spans = this.#waiting;
    if (spans.length === 0) return;
    this.#waiting = [];
    try {
      const { url, headers } = this.#collector;
      const response = await fetch(url, {
        method: "POST",
        headers: { ...headers, "content-type": "application/json" },
        body: JSON.stringify(request(this.#resource, spans)),
        signal: AbortSignal.timeout(patienceMs),
      });
      await response.body?.cancel();
      if (!response.ok) throw new Error(`the collector answered ${response.status}`);
    } catch (error) {
      this.#log.info({ event: "traces-not-sent", error, spans: spans.length }, "spans were dropped");
    }
  }
}

function request(resource: Readonly<Record<string, string>>, spans: readonly Span[]): unknown {
  const scope = { name: "rehouse" };
  return {
    resourceSpans: [{ resource: { attributes: attributes(resource) }, scopeSpans: [{ scope, spans: spans.map(encoded) }] }],
  };
}

function encoded({ trace, span, parent, name, kind, startMs, endMs, attributes: of }: Span): unknown {
  return {
    traceId: trace,
    spanId: span,
    ...(parent === undefined ? {} : { parentSpanId: parent }),
    name,
    kind: KINDS[kind],
    startTimeUnixNano: nanoseconds(startMs),
    // By the clocks of two machines the end may come before the beginning.
    endTimeUnixNano: nanoseconds(Math.max(startMs, endMs)),
    attributes: attributes(of),
  };
}

function attributes(of: Readonly<Record<string, string | number>>): unknown[] {
  return Object.entries(of).map(([key, value]) => ({
    key,
    value: typeof value === "string" ? { stringValue: value } : { intValue: String(Math.round(value)) },
  }));
}

function nanoseconds(ms: number): string {
  return String(BigInt(Math.round(ms)) * 1_000_000n);
}
