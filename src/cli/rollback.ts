import type { Command } from "commander";
import { RehouseError } from "../errors.ts";
import { oneLine } from "./live/width.ts";
import { reportSwitched, showSwitched } from "./switched.ts";
import { type CommonOptions, type Context, collect, examples, type Surroundings, verb, withEngine } from "./verb.ts";

type RollbackOptions = CommonOptions & { tenant: string[]; dryRun?: boolean; keep?: boolean; yes?: boolean };

/** `rehouse rollback`: 0 when every tenant asked for lives at the source, 1 when one was refused. Rows that go at the target are asked about. */
export function rollbackVerb(around: Surroundings): Command {
  const command = verb(
    "rollback",
    "lead tenants back to the source, with every write made at the target; before a switch: give the move up",
  )
    .requiredOption("--tenant <tenant>", "the tenant; may be given again", collect)
    .option("--dry-run", "say whether the gate would open, and how long writers would wait; change nothing")
    .option("--keep", "of a tenant that was not switched, leave the rows at the target")
    .option("--yes", "do not ask before rows are removed")
    .action((options: RollbackOptions) =>
      withEngine(options, around, async (context) => {
        const { tenant: tenants, dryRun = false, keep = false } = options;
        if (!dryRun && !keep && options.yes !== true) await confirm(context, tenants);
        const asked = { tenants, keep, dryRun, onTenant: showSwitched(context) };
        return reportSwitched(context, await context.engine.rollback(asked, context.signal));
      }),
    );
  return examples(command, [
    ["rehouse rollback --tenant 42 --dry-run", "whether it could go back, and how long writers would wait"],
    ["rehouse rollback --tenant 42", "back to the source, with every write made at the target"],
  ]);
}

const SWITCHED: ReadonlySet<string> = new Set(["cutting-over", "soaking", "contracted"]);

/** Only a tenant that was not switched loses rows at the target. */
async function confirm({ io, engine, signal }: Context, tenants: readonly string[]): Promise<void> {
  const status = await engine.status(signal);
  const losing = tenants.filter((tenant) => status.tenants.some((one) => one.tenant === tenant && !SWITCHED.has(one.phase)));
  if (losing.length === 0) return;
  const names = losing.join(" ");
  if (io.ask === undefined)
    throw new RehouseError("REHOUSE_USAGE", {
      what: `${names} was not switched, so its rows at the target would be removed, and there is no terminal to ask on.`,
      fix: "--yes removes them, --keep leaves them",
    });
  io.err(`This gives up the move of ${oneLine(names)}, and removes the rows at the target. The source is not touched.\n`);
  const answer = await io.ask(`Type ${oneLine(names)} to go on: `, signal);
  if (answer.trim() !== names)
    throw new RehouseError("REHOUSE_USAGE", {
      what: "That is not what was asked for. Nothing was changed.",
      fix: `type ${names}, or use --yes`,
    });
}
