import type { Command } from "commander";
import { reportControl } from "./control.ts";
import { milliseconds } from "./duration.ts";
import { type CommonOptions, type Surroundings, verb, withEngine } from "./verb.ts";

export function pauseVerb(around: Surroundings): Command {
  return verb("pause", "hold the move where it is, until resume")
    .option("--for <duration>", "go on by itself after that time, such as 2h", milliseconds)
    .action((options: CommonOptions & { for?: number }) =>
      withEngine(options, around, async (context) =>
        reportControl(context, await context.engine.pause({ forMs: options.for }, context.signal)),
      ),
    );
}
