import { type Command, InvalidArgumentError } from "commander";
import { RehouseError } from "../errors.ts";
import type { CheckFinding } from "./documents.ts";
import { findingBlocks, plural } from "./findings.ts";
import { formatGrants, SIDES, type Side } from "./grants.ts";
import type { Style } from "./style.ts";
import { type CommonOptions, EXIT, examples, printJson, type Surroundings, verb, withEngine } from "./verb.ts";

/** `grants`: true for both sides. */
type CheckOptions = CommonOptions & { grants?: true | Side; sourceRole?: string; targetRole?: string };

/** `rehouse check`: 0 when nothing stands in the way, 1 when something does (warnings alone do not), 3 when a server does not answer. */
export function checkVerb(around: Surroundings): Command {
  const command = verb("check", "preflight on both sides: what stands in the way of the move, and how to clear it")
    .option("--grants [side]", "print the SQL that gives the roles of source and target what the move needs, and no more", sideOf)
    .option(
      "--source-role <name>",
      "with --grants: the role at the source (default: who is connected; rehouse where that is a superuser)",
    )
    .option("--target-role <name>", "with --grants: the role at the target")
    .action((options: CheckOptions) => {
      requireGrants(options);
      return withEngine(options, around, async ({ io, style, json, file, engine, signal }) => {
        if (options.grants !== undefined) {
          const report = await engine.grants({ source: options.sourceRole, target: options.targetRole });
          if (json) printJson(io, { formatVersion: 1, migration: file.name, ...report });
          else io.out(formatGrants(file.name, report, options.grants === true ? SIDES : [options.grants]));
          return EXIT.done;
        }
        const { findings } = await engine.check(signal);
        const ok = !findings.some(({ severity }) => severity === "error");
        if (json) printJson(io, { formatVersion: 1, migration: file.name, ok, findings });
        else io.out(`${formatFindings(findings, style)}\n`);
        if (findings.some(({ code }) => code === "unreachable")) return EXIT.unreachable;
        return ok ? EXIT.done : EXIT.no;
      });
    });
  return examples(command, [
    ["rehouse check", "findings for people; 1 when one stands in the way"],
    ["rehouse check -f move.yaml --json", "the same for a program"],
    ["rehouse check --grants source", "SQL for the source's role, to be read and piped into psql"],
  ]);
}

function sideOf(text: string): Side {
  const side = SIDES.find((each) => each === text);
  if (side === undefined) throw new InvalidArgumentError("It is source or target, or left out for both.");
  return side;
}

function requireGrants({ grants, sourceRole, targetRole }: CheckOptions): void {
  if (grants === undefined && (sourceRole ?? targetRole) !== undefined)
    throw new RehouseError("REHOUSE_USAGE", {
      what: "--source-role and --target-role say for whom --grants prints SQL.",
      fix: "rehouse check --grants --source-role NAME",
    });
}

/** Errors first, each with its place and its fix; then how many there are. */
export function formatFindings(findings: readonly CheckFinding[], style: Style): string {
  const { blocks, errors, warnings } = findingBlocks(findings, style);
  return [...blocks, summary(errors, warnings, style)].join("\n");
}

function summary(errors: number, warnings: number, style: Style): string {
  const noted = warnings === 0 ? "" : `, ${plural(warnings, "warning")}`;
  if (errors === 0) return `${style.green("✓")} Nothing stands in the way${noted}.`;
  return `${style.red(plural(errors, "error"))}${noted}. The move cannot begin before the errors are cleared.`;
}
