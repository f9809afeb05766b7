import type { Command } from "commander";
import { reportControl } from "./control.ts";
import { type CommonOptions, collect, examples, type Surroundings, verb, withEngine } from "./verb.ts";

export function resyncVerb(around: Surroundings): Command {
  const command = verb("resync", "get back in step after the slot or the topic lost changes, without emptying what is right")
    .option("--tenant <tenant>", "only this tenant; may be given again. A lost slot concerns all of them", collect)
    .action((options: CommonOptions & { tenant?: string[] }) =>
      withEngine(options, around, async (context) =>
        reportControl(context, await context.engine.resync({ tenants: options.tenant }, context.signal)),
      ),
    );
  return examples(command, [
    ["rehouse resync", "all tenants, after the slot was lost"],
    ["rehouse resync --tenant 42", "one tenant"],
  ]);
}
