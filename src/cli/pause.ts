import type { Command } from "commander";
import { reportControl } from "./control.ts";
import { type CommonOptions, examples, type Surroundings, verb, withEngine } from "./verb.ts";

export function pauseVerb(around: Surroundings): Command {
  const command = verb("pause", "hold the move where it is, until resume").action((options: CommonOptions) =>
    withEngine(options, around, async (context) => reportControl(context, await context.engine.pause(context.signal))),
  );
  return examples(command, [["rehouse pause", "copying and applying stop; changes go on into Kafka"]]);
}
