import type { Command } from "commander";
import { reportSwitched, showSwitched } from "./switched.ts";
import { type CommonOptions, collect, type Surroundings, verb, withEngine } from "./verb.ts";

type RollbackOptions = CommonOptions & { tenant: string[]; dryRun?: boolean };

/** `rehouse rollback`: 0 when every tenant asked for lives at the source, 1 when one was refused. */
export function rollbackVerb(around: Surroundings): Command {
  return verb("rollback", "lead tenants back to the source, with every write made at the target")
    .requiredOption("--tenant <tenant>", "the tenant; may be given again", collect)
    .option("--dry-run", "say whether the gate would open, and how long writers would wait; change nothing")
    .action((options: RollbackOptions) =>
      withEngine(options, around, async (context) => {
        const asked = { tenants: options.tenant, keep: false, dryRun: options.dryRun === true, onTenant: showSwitched(context) };
        return reportSwitched(context, await context.engine.rollback(asked, context.signal));
      }),
    );
}
