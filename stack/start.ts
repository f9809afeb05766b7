import { dockerAnswers } from "./docker-engine.ts";
import { environmentStack, hasAddresses } from "./environment.ts";
import type { Provider, Stack, StackOptions, StackRequest } from "./stack.ts";

/**
 * Starts the servers, or finds them; resolves when every one of them answers in its own protocol. What was started ends with
 * `stop()`, and also when this process ends in any other way.
 */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const request: StackRequest = { postgres: options.postgres ?? {}, log: options.log ?? (() => {}) };
  const provider = options.provider ?? (await firstProvider(options.own ?? false));
  // Imported when picked: each of the two brings much with it that the others do not need.
  switch (provider) {
    case "environment":
      return environmentStack(process.env);
    case "docker":
      return (await import("./docker.ts")).dockerStack(request);
    case "embedded":
      return (await import("./embedded/embedded.ts")).embeddedStack(request);
  }
}

async function firstProvider(own: boolean): Promise<Provider> {
  if (!own && hasAddresses(process.env)) return "environment";
  const asked = process.env["REHOUSE_STACK"];
  if (asked === "docker" || asked === "embedded") return asked;
  if (asked) throw new Error(`REHOUSE_STACK is "${asked}"; it can be "docker" or "embedded"`);
  return (await dockerAnswers()) ? "docker" : "embedded";
}
