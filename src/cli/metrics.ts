/** The migration's metrics, for the API and for the plain listener of `run --metrics`: one registry in a process, whoever asks for it. */

import type { MigrationMetrics } from "../metrics/index.ts";
import type { Context } from "./verb.ts";

/** What reads the state for a scrape is given up after it. */
const LOOK_WITHIN_MS = 10_000;

/** Its code is loaded where it is asked for: most commands end in less time than that takes. */
export async function metricsOf({ file, engine, version, log }: Context): Promise<MigrationMetrics> {
  const { MigrationMetrics } = await import("../metrics/index.ts");
  const status = () => engine.status(AbortSignal.timeout(LOOK_WITHIN_MS));
  return new MigrationMetrics({ migration: file.name, version, status, log });
}

export async function serveMetrics(address: string | true, metrics: MigrationMetrics): Promise<AsyncDisposable> {
  const { listen, listenAddress, metricsPages } = await import("../metrics/index.ts");
  const listener = await listen(listenAddress(address), metricsPages(metrics));
  return { [Symbol.asyncDispose]: () => listener.close() };
}
