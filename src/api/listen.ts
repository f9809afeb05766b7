/** Where the API may listen, and what it takes to be reached from elsewhere. */

import { readFile } from "node:fs/promises";
import { RehouseError } from "../errors.ts";
import { isLoopback } from "./guard.ts";
import type { Tls } from "./http.ts";
import { createServer, type ServerSettings } from "./server.ts";

export type ListenOptions = {
  /** `127.0.0.1:7070`, `[::1]:7070`, `0.0.0.0:443`. Port 0: one that is free. */
  readonly listen: string;
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  readonly insecureListen: boolean;
};

export type Listening = { readonly url: string; close(): Promise<void> };

export async function listen(settings: Omit<ServerSettings, "onLoopback" | "tls">, options: ListenOptions): Promise<Listening> {
  const { host, port } = addressOf(options.listen);
  const tls = await readTls(options);
  const onLoopback = isLoopback(host);
  if (!onLoopback) await requireSafe(settings, { tls, where: options.listen, insecureListen: options.insecureListen });
  const server = createServer({ ...settings, tls, onLoopback });
  try {
    await server.app.listen({ host, port });
  } catch (cause) {
    await server.close();
    throw new RehouseError("REHOUSE_USAGE", {
      what: `it cannot listen: ${cause instanceof Error ? cause.message : String(cause)}`,
      where: options.listen,
      fix: "give another address with --listen",
      cause,
    });
  }
  const bound = server.app.server.address();
  const boundPort = typeof bound === "object" && bound !== null ? bound.port : port;
  const name = host.includes(":") ? `[${host}]` : host;
  return { url: `${tls === undefined ? "http" : "https"}://${name}:${boundPort}`, close: server.close };
}

function addressOf(text: string): { readonly host: string; readonly port: number } {
  const [, bracketed, plain, digits] = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:\s[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const [host, port] = [bracketed ?? plain, Number(digits)];
  if (host === undefined || !(port <= 65_535))
    throw new RehouseError("REHOUSE_USAGE", {
      what: `${text} is no address to listen on`,
      fix: "--listen 127.0.0.1:7070, or --listen '[::1]:7070'",
    });
  // What the name leads to is for others to say.
  return { host: host === "localhost" ? "127.0.0.1" : host, port };
}

async function requireSafe(
  { engine }: Pick<ServerSettings, "engine">,
  { tls, where, insecureListen }: { readonly tls: Tls | undefined; readonly where: string; readonly insecureListen: boolean },
): Promise<void> {
  if (tls === undefined && !insecureListen)
    throw new RehouseError("REHOUSE_UNSAFE_LISTEN", {
      what: "others can reach this address, and without TLS whoever is in between reads the tokens",
      where,
      fix: "--tls-cert and --tls-key; or --insecure-listen where something in front of it speaks TLS",
    });
  if (await engine.access.hasToken()) return;
  throw new RehouseError("REHOUSE_UNSAFE_LISTEN", {
    what: "others can reach this address, and there is no token with which anybody could be let in",
    where,
    fix: "rehouse serve token create --role operator --name ...",
  });
}

async function readTls({ tlsCert, tlsKey }: Pick<ListenOptions, "tlsCert" | "tlsKey">): Promise<Tls | undefined> {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined)
    throw new RehouseError("REHOUSE_USAGE", {
      what: "--tls-cert and --tls-key need one another",
      fix: "give both, as PEM files",
    });
  const [cert, key] = await Promise.all([readPem(tlsCert), readPem(tlsKey)]);
  return { cert, key };
}

async function readPem(path: string): Promise<Buffer> {
  return readFile(path).catch((cause: unknown) => {
    throw new RehouseError("REHOUSE_USAGE", {
      what: `a file of --tls-cert and --tls-key cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      where: path,
      fix: "check its path and permissions",
      cause,
    });
  });
}
