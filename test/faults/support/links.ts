/** The ways from Rehouse to its four servers, each through a proxy. */

import type { Addresses } from "../../support/index.ts";
import { kafka, postgres, unframed } from "./protocol.ts";
import { type Address, TcpProxy } from "./proxy.ts";

export type LinkName = "source" | "target" | "kafka" | "registry";

export class Links implements AsyncDisposable {
  /** The servers as they are reached through the proxies. */
  readonly addresses: Addresses;
  readonly #proxies: Readonly<Record<LinkName, TcpProxy>>;

  private constructor(addresses: Addresses, proxies: Readonly<Record<LinkName, TcpProxy>>) {
    this.addresses = addresses;
    this.#proxies = proxies;
  }

  static async open(to: Addresses): Promise<Links> {
    const [broker, ...others] = to.kafkaBrokers.map((text) => addressOf(`kafka://${text}`));
    // A broker's address is replaced in place, so it has to be as long as the proxy's.
    if (broker === undefined || others.length > 0 || broker.host !== "127.0.0.1")
      throw new Error("the proxy stands before one broker at 127.0.0.1; leave KAFKA_BROKERS unset to have one started");
    const proxies = {
      source: await TcpProxy.start(addressOf(to.sourceUrl), () => postgres),
      target: await TcpProxy.start(addressOf(to.targetUrl), () => postgres),
      kafka: await TcpProxy.start(broker, (port) => kafka(broker, port)),
      registry: await TcpProxy.start(addressOf(to.registryUrl), () => unframed),
    };
    return new Links(
      {
        sourceUrl: at(to.sourceUrl, proxies.source.port),
        targetUrl: at(to.targetUrl, proxies.target.port),
        kafkaBrokers: [`${broker.host}:${proxies.kafka.port}`],
        registryUrl: at(to.registryUrl, proxies.registry.port),
      },
      proxies,
    );
  }

  to(server: LinkName): TcpProxy {
    return this.#proxies[server];
  }

  heal(): void {
    for (const proxy of Object.values(this.#proxies)) proxy.heal();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(Object.values(this.#proxies).map((proxy) => proxy[Symbol.asyncDispose]()));
  }
}

function addressOf(url: string): Address {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
}

function at(url: string, port: number): string {
  const other = new URL(url);
  other.hostname = "127.0.0.1";
  other.port = String(port);
  return other.href;
}
