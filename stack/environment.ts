import { addressVariables, type Stack } from "./stack.ts";

const VARIABLES = ["SOURCE_URL", "TARGET_URL", "KAFKA_BROKERS", "REGISTRY_URL"] as const;

/** True where all addresses are given; a part of them is a mistake that would otherwise start a second set of servers. */
export function hasAddresses(environment: NodeJS.ProcessEnv): boolean {
  const missing = VARIABLES.filter((name) => !environment[name]);
  if (missing.length === VARIABLES.length) return false;
  if (missing.length === 0) return true;
  const given = VARIABLES.filter((name) => environment[name]);
  throw new Error(`${given.join(", ")} set, but ${missing.join(", ")} not: set all four to use servers of your own, or none`);
}

/** The servers that the environment points at. They are used as they are, and left as they are. */
export function environmentStack(environment: NodeJS.ProcessEnv): Stack {
  const read = (name: (typeof VARIABLES)[number]): string => {
    const value = environment[name];
    if (!value) throw new Error(`${name} is not set`);
    return value;
  };
  const addresses = {
    sourceUrl: read("SOURCE_URL"),
    targetUrl: read("TARGET_URL"),
    kafkaBrokers: read("KAFKA_BROKERS")
      .split(",")
      .map((broker) => broker.trim()),
    registryUrl: read("REGISTRY_URL"),
  };
  return {
    provider: "environment",
    ...addresses,
    faults: undefined,
    env: () => addressVariables(addresses),
    stop: async () => {},
  };
}
