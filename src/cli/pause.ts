import type { Command } from "commander";
import { reportControl } from "./control.ts";
import { milliseconds } from "./duration.ts";
import { type CommonOptions, examples, type Surroundings, verb, withEngine } from "./verb.ts";

export function pauseVerb(around: Surroundings): Command {
  const command = verb("pause", "hold the move where it is, until resume")
    .option("--for <duration>", "go on by itself after that time, such as 2h", milliseconds)
    .action((options: CommonOptions & { for?: number }) =>
      withEngine(options, around, async (context) =>
        reportControl(context, await context.engine.pause({ forMs: options.for }, context.signal)),
      ),
    );
  return examples(command, [
    ["rehouse pause", "copying and applying stop; changes go on into Kafka"],
    ["rehouse pause --for 2h", "and goes on by itself after two hours"],
  ]);
}
