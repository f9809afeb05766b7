import { type Command, InvalidArgumentError } from "commander";
import { render, watch } from "./live/index.ts";
import { type CommonOptions, EXIT, examples, printJson, type Surroundings, verb, withEngine } from "./verb.ts";

const WATCH_INTERVAL_S = { terminal: 0.5, elsewhere: 5 };
/** Of a plain `status`: enough to see what is behind; --json has all tenants. */
const PLAIN_ROWS = 60;

export function statusVerb(around: Surroundings): Command {
  const command = verb("status", "phases, rows, lag, rates, what is stopped and why")
    .option("--watch", "keep showing it: a live view in a terminal, else a line per interval (with --json a document each)")
    .option(
      "--interval <seconds>",
      `seconds between two looks (default ${WATCH_INTERVAL_S.terminal} in a terminal, else ${WATCH_INTERVAL_S.elsewhere})`,
      seconds,
    )
    .action((options: CommonOptions & { watch?: boolean; interval?: number }) =>
      withEngine(options, around, async ({ io, json, engine, signal }) => {
        if (options.watch) {
          const interval = options.interval ?? (io.terminal && !json ? WATCH_INTERVAL_S.terminal : WATCH_INTERVAL_S.elsewhere);
          await watch(
            { io, json, status: (signal) => engine.status(signal), intervalMs: interval * 1000, patient: false },
            signal,
          ).ended;
          return EXIT.interrupted;
        }
        const status = await engine.status(signal);
        if (json) printJson(io, status);
        else
          io.out(
            `${render(status, [], { columns: io.columns(), rows: PLAIN_ROWS, color: io.color, now: Date.now() }).join("\n")}\n`,
          );
        return EXIT.done;
      }),
    );
  return examples(command, [
    ["rehouse status", "once"],
    ["rehouse status --watch", "a live view; a line every 5 s where there is no terminal"],
    ["rehouse status --json", "one document"],
    ["rehouse status --watch --json --interval 10", "a document every 10 s"],
  ]);
}

function seconds(text: string): number {
  const value = Number(text);
  if (!(value >= 0.1 && value <= 3600)) throw new InvalidArgumentError("Expected seconds from 0.1 to 3600.");
  return value;
}
