/** The API beside what a verb does: the options that `serve` and `run --serve` have in common. */

import { type Command, Option } from "commander";
import { createLogger } from "../log.ts";
import { metricsOf } from "./metrics.ts";
import type { Context } from "./verb.ts";

export const LISTEN = "127.0.0.1:7070";

export type ListenFlags = { tlsCert?: string; tlsKey?: string; insecureListen?: boolean; archive?: string };

export function withListenOptions(command: Command): Command {
  return command
    .addOption(new Option("--tls-cert <file>", "certificate of the API, PEM, with its chain"))
    .addOption(new Option("--tls-key <file>", "its key, PEM"))
    .addOption(new Option("--insecure-listen", "let others reach it without TLS, since something in front of it speaks that"))
    .addOption(new Option("--archive <directory>", "where `contract` of the API keeps the rows of tenants that ask for it"));
}

/** Listens until it is closed. The server's code is loaded only now: no other verb needs it. `metrics`: those that the process shows elsewhere, too. */
export async function startApi(
  context: Context,
  address: string,
  { tlsCert, tlsKey, insecureListen, archive }: ListenFlags,
  metrics = () => metricsOf(context),
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const { engine, file } = context;
  const { listen } = await import("../api/index.ts");
  return listen(
    { engine, migration: file.name, log: createLogger(), archive, metrics: await metrics() },
    { listen: address, tlsCert, tlsKey, insecureListen: insecureListen === true },
  );
}
