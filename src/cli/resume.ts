import type { Command } from "commander";
import { reportControl } from "./control.ts";
import { type CommonOptions, examples, type Surroundings, verb, withEngine } from "./verb.ts";

export function resumeVerb(around: Surroundings): Command {
  const command = verb("resume", "go on after pause").action((options: CommonOptions) =>
    withEngine(options, around, async (context) => reportControl(context, await context.engine.resume({}, context.signal))),
  );
  return examples(command, [["rehouse resume", "goes on where it was paused"]]);
}
