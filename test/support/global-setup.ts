import type { TestProject } from "vitest/node";
import { startStack } from "../../stack/index.ts";
import type { Addresses } from "./addresses.ts";

/**
 * One stack for the whole run: the one of the environment, or one that starts before the first test and ends after the last. A run whose tests have
 * servers of their own needs none.
 */
export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  if (process.env["REHOUSE_SWITCH_SERVERS"] === "own") return undefined;
  const stack = await startStack({ log: (line) => process.stderr.write(`stack: ${line}\n`) });
  const addresses: Addresses = {
    sourceUrl: stack.sourceUrl,
    targetUrl: stack.targetUrl,
    kafkaBrokers: stack.kafkaBrokers,
    registryUrl: stack.registryUrl,
  };
  project.provide("addresses", addresses);
  return () => stack.stop();
}
