import { type Command, InvalidArgumentError } from "commander";
import { RehouseError } from "../errors.ts";
import type { Warning } from "../rehearse/records.ts";
import { oneLine } from "./live/width.ts";
import { reportSwitched, showSwitched } from "./switched.ts";
import { type CommonOptions, type Context, collect, examples, type Surroundings, verb, withEngine } from "./verb.ts";

type CutoverOptions = CommonOptions & { tenant?: string[]; all?: boolean; parallel: number; dryRun?: boolean };

/** `rehouse cutover`: 0 when every tenant asked for lives at the target now (or could, with --dry-run), 1 when one was refused. */
export function cutoverVerb(around: Surroundings): Command {
  const command = verb("cutover", "switch tenants to the target: arm, gate, fence, drain, compare, switch")
    .option("--tenant <tenant>", "this tenant; may be given again", collect)
    .option("--all", "every tenant that does not live at the target yet")
    .option("--parallel <n>", "how many tenants at a time", count, 1)
    .option("--dry-run", "say whether the gate would open, and how long writers would wait; change nothing")
    .action(async (options: CutoverOptions) => {
      const tenants = whom(options);
      await withEngine(options, around, async (context) => {
        const { parallel, dryRun } = options;
        const onWarning = showWarning(context);
        const asked = { tenants, parallel, dryRun: dryRun === true, onWarning, onTenant: showSwitched(context) };
        return reportSwitched(context, await context.engine.cutover(asked, context.signal));
      });
    });
  return examples(command, [
    ["rehouse cutover --tenant 42 --dry-run", "whether it could be switched, and how long writers would wait"],
    ["rehouse cutover --tenant 42", "one tenant"],
    ["rehouse cutover --all --parallel 4", "all that are not there yet, four at a time"],
  ]);
}

/** On stderr, so that stdout stays what it is. */
function showWarning({ io, style }: Context): (warning: Warning) => void {
  return ({ code, what, fix }) => io.err(`${style.yellow("!")} ${style.bold(code)}  ${oneLine(what)}: ${oneLine(fix)}\n`);
}

function whom({ tenant, all }: CutoverOptions): string[] | undefined {
  if ((tenant === undefined) === (all === true)) return tenant;
  throw new RehouseError("REHOUSE_USAGE", {
    what: tenant === undefined ? "Which tenants are to be switched is not said." : "--tenant and --all exclude one another.",
    fix: "rehouse cutover --tenant 42, or rehouse cutover --all",
  });
}

function count(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 64) return value;
  throw new InvalidArgumentError("It is a number from 1 to 64.");
}
