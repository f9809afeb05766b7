import type { Command } from "commander";
import { reportControl } from "./control.ts";
import { type CommonOptions, examples, type Surroundings, verb, withEngine } from "./verb.ts";

export function skipVerb(around: Surroundings): Command {
  const command = verb("skip", "go on without the change that stopped a tenant; its row then differs until it is repaired")
    .requiredOption("--tenant <tenant>", "the stopped tenant")
    .requiredOption("--position <position>", "the change, as status shows it: to confirm that it is this one")
    .action(({ tenant, position, ...options }: CommonOptions & { tenant: string; position: string }) =>
      withEngine(options, around, async (context) =>
        reportControl(context, await context.engine.skip({ tenant, position }, context.signal)),
      ),
    );
  return examples(command, [["rehouse skip --tenant 42 --position 0/1A2B3C4:17", "tenant and position as status shows them"]]);
}
