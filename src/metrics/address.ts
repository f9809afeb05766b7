import { RehouseError } from "../errors.ts";

export type ListenAddress = { readonly host: string; readonly port: number };

const LOOPBACK = "127.0.0.1";
const DEFAULT_PORT = 9187;

/** `host:port`, `port` alone, or nothing: on the loopback interface unless another address is named. REHOUSE_USAGE for anything else. */
export function listenAddress(text: string | true): ListenAddress {
  if (text === true) return { host: LOOPBACK, port: DEFAULT_PORT };
  const match = /^(?:(?<host>[\w.-]+|\[[\da-fA-F:.]+\]):)?(?<port>\d{1,5})$/.exec(text);
  const port = Number(match?.groups?.["port"]);
  if (match !== null && port <= 65_535) {
    const host = match.groups?.["host"] ?? LOOPBACK;
    return { host: host.replace(/^\[|\]$/g, ""), port };
  }
  throw new RehouseError("REHOUSE_USAGE", {
    what: `${JSON.stringify(text)} is no address to listen on.`,
    where: "--metrics",
    fix: `host:port, or a port alone for ${LOOPBACK}`,
  });
}
