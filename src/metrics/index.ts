export { listenAddress } from "./address.ts";
export { type Listener, listen, metricsPages } from "./listener.ts";
export { type MetricsDeps, MigrationMetrics } from "./metrics.ts";
