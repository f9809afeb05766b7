import { environmentStack } from "./environment.ts";

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
  /** Sends the signal; resolves when the server has ended, or at once for SIGSTOP and SIGCONT. Kept down until `start`. */
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

/**
 * Starts the servers, or finds them; resolves when every one of them answers in its own protocol. What was started ends with
 * `stop()`, and also when this process ends in any other way.
 */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const request: StackRequest = { postgres: options.postgres ?? {}, log: options.log ?? (() => {}) };
  const provider = options.provider ?? (await firstProvider());
  // The providers are imported when picked: addresses in the environment need neither Docker's nor Java's side.
  switch (provider) {
    case "environment":
      return environmentStack(process.env);
    case "docker":
      return (await import("./docker.ts")).dockerStack(request);
    case "embedded":
      return (await import("./embedded/embedded.ts")).embeddedStack(request);
  }
}

async function firstProvider(): Promise<Provider> {
  const { hasAddresses } = await import("./environment.ts");
  if (hasAddresses(process.env)) return "environment";
  const asked = process.env["REHOUSE_STACK"];
  if (asked === "docker" || asked === "embedded") return asked;
  if (asked) throw new Error(`REHOUSE_STACK is "${asked}"; it can be "docker" or "embedded"`);
  const { dockerAnswers } = await import("./docker.ts");
  if (await dockerAnswers()) return "docker";
  return "embedded";
}
