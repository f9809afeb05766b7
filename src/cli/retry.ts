import type { Command } from "commander";
import { reportControl } from "./control.ts";
import { type CommonOptions, collect, examples, type Surroundings, verb, withEngine } from "./verb.ts";

export function retryVerb(around: Surroundings): Command {
  const command = verb("retry", "try the change again that stopped a tenant")
    .requiredOption("--tenant <tenant>", "the stopped tenant; may be given again", collect)
    .action((options: CommonOptions & { tenant: string[] }) =>
      withEngine(options, around, async (context) =>
        reportControl(context, await context.engine.retry({ tenants: options.tenant }, context.signal)),
      ),
    );
  return examples(command, [
    ["rehouse retry --tenant 42", "once the cause that status shows is gone"],
    ["rehouse retry --tenant 42 --tenant 43", "two of them"],
  ]);
}
