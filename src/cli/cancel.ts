import type { Command } from "commander";
import { RehouseError } from "../errors.ts";
import { reportControl } from "./control.ts";
import { type CommonOptions, type Context, examples, type Surroundings, verb, withEngine } from "./verb.ts";

/** `rehouse cancel`: it cannot be undone, so the name has to be typed, or `--yes` given. */
export function cancelVerb(around: Surroundings): Command {
  const command = verb("cancel", "end the migration: its slot, publication and topic go; it cannot be undone")
    .option("--yes", "do not ask")
    .action((options: CommonOptions & { yes?: boolean }) =>
      withEngine(options, around, async (context) => {
        if (!options.yes) await confirm(context);
        return reportControl(context, await context.engine.cancel(context.signal));
      }),
    );
  return examples(command, [
    ["rehouse cancel", "asks for the migration's name"],
    ["rehouse cancel --yes", "does not ask, for scripts"],
  ]);
}

async function confirm({ io, file, signal }: Context): Promise<void> {
  if (io.ask === undefined) {
    throw new RehouseError("REHOUSE_USAGE", {
      what: `Cancelling ${file.name} cannot be undone, and there is no terminal to ask on.`,
      fix: `rehouse cancel --yes`,
    });
  }
  io.err(`This ends the migration ${file.name}: its slot, publication and topic go. It cannot be undone.\n`);
  const answer = await io.ask(`Type ${file.name} to go on: `, signal);
  if (answer.trim() !== file.name) {
    throw new RehouseError("REHOUSE_USAGE", {
      what: "That is not the migration's name. Nothing was changed.",
      fix: `type ${file.name}, or use --yes`,
    });
  }
}
