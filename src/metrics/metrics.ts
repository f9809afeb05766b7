/** The metrics of one migration as Prometheus reads them: taken off the status document when they are asked for. */

import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { StatusDocument } from "../cli/documents.ts";
import { RehouseError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { DEFINITIONS, type Definition, OWN_DEFINITIONS, type Sample, STATES } from "./definitions.ts";

/** Several readers, and a reader that is in a hurry, cost the databases one look a second. */
const FRESH_MS = 1_000;
/** Prometheus gives up after 10 s unless told otherwise. A target that hangs is told of before that. */
const PATIENCE_MS = 8_000;

export type MetricsDeps = {
  readonly migration: string;
  readonly version: string;
  /** As `rehouse status` has it; rejects with REHOUSE_NO_MIGRATION before the migration has begun. */
  readonly status: () => Promise<StatusDocument>;
  readonly log: Logger;
};

type Look = { readonly state: (typeof STATES)[number] | undefined; readonly status: StatusDocument | undefined };

export class MigrationMetrics {
  readonly #deps: MetricsDeps;
  readonly #registry = new Registry();
  readonly #byStatus: (readonly [Definition, Gauge | Counter])[];
  readonly #up: Gauge;
  readonly #stateGauge: Gauge;
  /** When it was looked at last; undefined: it could not be read. */
  #state: Look["state"];
  #look: { readonly at: number; readonly text: Promise<string> } | undefined;

  constructor(deps: MetricsDeps) {
    this.#deps = deps;
    const registers = [this.#registry];
    this.#registry.setDefaultLabels({ migration: deps.migration });
    const own = (name: keyof typeof OWN_DEFINITIONS) =>
      new Gauge({ name, help: OWN_DEFINITIONS[name].help, labelNames: [...OWN_DEFINITIONS[name].labels], registers });
    own("rehouse_build_info").set({ version: deps.version }, 1);
    this.#up = own("rehouse_status_up");
    this.#stateGauge = own("rehouse_migration_state");
    this.#byStatus = Object.entries<Definition>(DEFINITIONS).map(([name, definition]) => {
      const shape = { name, help: definition.help, labelNames: [...definition.labels], registers };
      return [definition, definition.type === "counter" ? new Counter(shape) : new Gauge(shape)];
    });
    collectDefaultMetrics({ register: this.#registry });
  }

  /** Of the text. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Never rejects because of a server that is away: `rehouse_status_up` is 0 then. */
  text(): Promise<string> {
    const now = performance.now();
    // One look at a time: a reader who comes while the target hangs waits with the others.
    if (this.#look === undefined || now - this.#look.at > FRESH_MS) {
      const look = { at: Number.POSITIVE_INFINITY, text: this.#read() };
      this.#look = look;
      const ended = () => {
        if (this.#look === look) this.#look = { ...look, at: performance.now() };
      };
      look.text.then(ended, ended);
    }
    return this.#look.text;
  }

  /** Whether the migration has begun, and its state can be read now. */
  async isReady(): Promise<boolean> {
    await this.text();
    return this.#state !== undefined && this.#state !== "not-begun";
  }

  /** The names of all metrics that there are. */
  names(): string[] {
    return this.#registry.getMetricsAsArray().map(({ name }) => name);
  }

  async #read(): Promise<string> {
    const { state, status } = await this.#ask();
    this.#up.set(state === undefined ? 0 : 1);
    this.#state = state;
    this.#stateGauge.reset();
    if (state !== undefined) for (const one of STATES) this.#stateGauge.set({ state: one }, one === state ? 1 : 0);
    for (const [definition, metric] of this.#byStatus)
      fill(metric, definition, status === undefined ? [] : definition.read(status));
    return this.#registry.metrics();
  }

  async #ask(): Promise<Look> {
    try {
      const status = await within(this.#deps.status(), PATIENCE_MS);
      return { state: status.state, status };
    } catch (error) {
      if (error instanceof RehouseError && error.code === "REHOUSE_NO_MIGRATION")
        return { state: "not-begun", status: undefined };
      this.#deps.log.info({ event: "status-not-read", error }, "the migration's state cannot be read for its metrics");
      return { state: undefined, status: undefined };
    }
  }
}

function fill(metric: Gauge | Counter, { labels }: Definition, samples: readonly Sample[]): void {
  metric.reset();
  // Reset sets a metric without labels to 0, which would be said of what is not known.
  if (samples.length === 0 && labels.length === 0) metric.remove();
  for (const sample of samples) metric.inc({ ...sample.labels }, sample.value);
}

async function within<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer for ${ms / 1_000} s`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
