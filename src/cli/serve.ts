import { once } from "node:events";
import type { Command } from "commander";
import { LISTEN, type ListenFlags, startApi, withListenOptions } from "./listening.ts";
import { tokenVerb } from "./token.ts";
import { type CommonOptions, EXIT, examples, type Surroundings, verb, withEngine } from "./verb.ts";

type ServeOptions = CommonOptions & ListenFlags & { listen: string };

/** `rehouse serve`: the HTTP API of one migration, until it is stopped. */
export function serveVerb(around: Surroundings): Command {
  const command = verb("serve", "the HTTP API of the migration, until stopped").option(
    "--listen <address>",
    "where; others can reach what is no loopback address, so that takes TLS and a token",
    LISTEN,
  );
  withListenOptions(command)
    .enablePositionalOptions()
    .addCommand(tokenVerb(around))
    .action((options: ServeOptions) =>
      withEngine(options, around, async (context) => {
        const { io, json, file, signal } = context;
        const api = await startApi(context, options.listen, options);
        try {
          if (json) io.out(`${JSON.stringify({ formatVersion: 1, migration: file.name, url: api.url })}\n`);
          else io.out(`The API of ${file.name} is at ${api.url}/api/v1; Ctrl-C stops it.\n`);
          if (!signal.aborted) await once(signal, "abort");
        } finally {
          await api.close();
        }
        return EXIT.interrupted;
      }),
    );
  return examples(command, [
    ["rehouse serve", "this machine only"],
    ["rehouse serve --listen 0.0.0.0:7443 --tls-cert api.pem --tls-key api.key", "from elsewhere, once there is a token"],
  ]);
}
