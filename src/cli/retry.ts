import type { Command } from "commander";
import { reportControl } from "./control.ts";
import { type CommonOptions, collect, type Surroundings, verb, withEngine } from "./verb.ts";

export function retryVerb(around: Surroundings): Command {
  return verb("retry", "try the change again that stopped a tenant")
    .requiredOption("--tenant <tenant>", "the stopped tenant; may be given again", collect)
    .action((options: CommonOptions & { tenant: string[] }) =>
      withEngine(options, around, async (context) =>
        reportControl(context, await context.engine.retry({ tenants: options.tenant }, context.signal)),
      ),
    );
}
