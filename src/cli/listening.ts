/** The API beside what a verb does: the options that `serve` and `run --serve` have in common. */

import { setFlagsFromString } from "node:v8";
import { type Command, Option } from "commander";
import { createLogger } from "../log.ts";
import { metricsOf } from "./metrics.ts";
import type { Context } from "./verb.ts";

export const LISTEN = "127.0.0.1:7070";

/**
 * Roles are started with a small young generation (src/run/supervisor.ts); this process is there already, so that its own stays as it is. By default it
 * grows to 128 MB on a large machine: with looks at 10,000 tenants one after the other a process then took 330 to 380 MB, and 200 to 260 MB without, for
 * the same CPU time; and each collection copies what the looks of seconds have left, while everybody waits.
 */
const YOUNG_GENERATION = "--semi-space-growth-factor=1";

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
  setFlagsFromString(YOUNG_GENERATION);
  return listen(
    { engine, migration: file.name, log: createLogger(), archive, metrics: await metrics() },
    { listen: address, tlsCert, tlsKey, insecureListen: insecureListen === true },
  );
}
