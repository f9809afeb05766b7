/** The servers of a stack, by the names that the fault tests use. */
export type ServerName = "source" | "target" | "kafka" | "registry";

/**
 * The servers that Rehouse works with: two Postgres databases, a Kafka broker, a schema registry. Where they come from is the
 * provider's business; what uses them sees addresses only.
 */
export interface Stack {
  readonly provider: Provider;
  /** A superuser of the database `source`, password included. */
  readonly sourceUrl: string;
  /** A superuser of the database `target`, on a server of its own. */
  readonly targetUrl: string;
  /** host:port of each broker. */
  readonly kafkaBrokers: string[];
  /** The root of a Confluent-compatible registry API. */
  readonly registryUrl: string;
  /** Faults, where the provider owns the servers; undefined for servers that were only pointed at. */
  readonly faults: Faults | undefined;
  /** The addresses as the environment variables that `npm run stack` prints. */
  env(): Record<string, string>;
  /** Ends the servers and removes their data. Servers that were only pointed at stay as they are. */
  stop(): Promise<void>;
}

/** What a test can do to one server. Port and data stay the same. */
export interface Faults {
  /**
   * Sends the signal; resolves when the server has ended. Kept down until `start`. SIGSTOP and SIGCONT go to all of its processes, sessions
   * included.
   */
  kill(server: ServerName, signal?: NodeJS.Signals): Promise<void>;
  /** Starts a server that was killed; resolves when it answers. */
  start(server: ServerName): Promise<void>;
  /** `kill`, then `start`. Without a signal the server stops in good order, but does not wait for its clients. */
  restart(server: ServerName, options?: { signal?: NodeJS.Signals }): Promise<void>;
}

export type Provider = "environment" | "docker" | "embedded";

export type StackOptions = {
  /** Which provider; left out: the first that the machine has, in the order of {@link Provider}. */
  provider?: Provider;
  /** Servers of one's own, even where the environment names some: for faults, and for settings. */
  own?: boolean;
  /** Postgres settings in place of the stack's own, such as `{ shared_buffers: "1GB" }`. Not for servers that are pointed at. */
  postgres?: Record<string, string>;
  /** Where progress goes, a line at a time; left out: nowhere. */
  log?: (line: string) => void;
};

/** What every provider is given: the options with the gaps filled. */
export type StackRequest = { postgres: Record<string, string>; log: (line: string) => void };

/** The addresses of a stack as environment variables. */
export function addressVariables(stack: Pick<Stack, "sourceUrl" | "targetUrl" | "kafkaBrokers" | "registryUrl">) {
  return {
    SOURCE_URL: stack.sourceUrl,
    TARGET_URL: stack.targetUrl,
    KAFKA_BROKERS: stack.kafkaBrokers.join(","),
    REGISTRY_URL: stack.registryUrl,
  };
}
