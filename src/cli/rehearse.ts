// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${VAR} is the syntax of the migration file
import { type Command, InvalidArgumentError } from "commander";
import { RehouseError } from "../errors.ts";
import type { Sample } from "../rehearse/sample.ts";
import { formatRehearsal, formatStep } from "./rehearsal.ts";
import { serverArgument } from "./server-argument.ts";
import { type CommonOptions, collect, EXIT, examples, printJson, type Surroundings, verb, withEngine } from "./verb.ts";

type RehearseOptions = CommonOptions & { tenant?: string[]; fraction?: number; on?: string; keep?: boolean; rate: number };

/** Enough to have something in flight at every step, and little beside what the copy itself takes. */
const RATE = 50;

/** `rehouse rehearse`: 0 when the move went there and back and both ends were equal, 1 when not. */
export function rehearseVerb(around: Surroundings): Command {
  const command = verb("rehearse", "the whole move, there and back, on a copy, with clients that write; the source is only read")
    .option("--tenant <tenant>", "copy the rows of this tenant, and the shared ones; may be given again", collect)
    .option("--fraction <part>", "copy this part of the tenants, or without tenants of the rows", part)
    .option(
      "--on <url>",
      "the server for the copy, '${VAR}' for one with a password (default: the target's); its role needs CREATEDB",
    )
    .option("--rate <n>", "transactions a second of the clients", rate, RATE)
    .option("--keep", "leave the databases of the copy")
    .action(async (options: RehearseOptions) => {
      const sample = sampleOf(options);
      await withEngine(options, around, async ({ io, style, json, engine, signal }) => {
        const { keep = false, rate } = options;
        const on = options.on === undefined ? undefined : serverArgument("--on", options.on, io.env);
        const onStep = (step: Parameters<typeof formatStep>[0]) => {
          if (!json) io.out(`${formatStep(step, style)}\n`);
        };
        const document = await engine.rehearse({ sample, on, keep, rate, onStep }, signal);
        if (json) printJson(io, document);
        else io.out(`${formatRehearsal(document, style)}\n`);
        if (document.failure?.code === "REHOUSE_UNREACHABLE") return EXIT.unreachable;
        return document.outcome === "passed" ? EXIT.done : EXIT.no;
      });
    });
  return examples(command, [
    ["rehouse rehearse", "on a copy of everything, beside the target"],
    ["rehouse rehearse --fraction 0.1", "on a tenth of the tenants"],
    ["rehouse rehearse --tenant 42 --on postgres://me@scratch/postgres --keep", "on another server, and leaves the copy"],
  ]);
}

function sampleOf({ tenant, fraction }: RehearseOptions): Sample {
  if (tenant !== undefined && fraction !== undefined)
    throw new RehouseError("REHOUSE_USAGE", { what: "--tenant and --fraction exclude one another.", fix: "give one of them" });
  if (tenant !== undefined) return { kind: "tenants", tenants: [...new Set(tenant)] };
  return fraction === undefined ? { kind: "whole" } : { kind: "fraction", fraction };
}

function part(text: string): number {
  const value = Number(text);
  if (value > 0 && value < 1) return value;
  throw new InvalidArgumentError("It is a number between 0 and 1, such as 0.1.");
}

function rate(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && value <= 10_000) return value;
  throw new InvalidArgumentError("It is a number from 0 to 10000.");
}
