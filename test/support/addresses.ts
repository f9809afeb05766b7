import { inject } from "vitest";

/** Where the servers of this test run are. */
export type Addresses = { sourceUrl: string; targetUrl: string; kafkaBrokers: string[]; registryUrl: string };

declare module "vitest" {
  interface ProvidedContext {
    addresses: Addresses;
  }
}

export function addresses(): Addresses {
  return inject("addresses");
}
