import { type Command, InvalidArgumentError, Option } from "commander";
import { RehouseError } from "../errors.ts";
import { PACED_ROLES, type PacedRole } from "../throttle/index.ts";
import { reportControl } from "./control.ts";
import type { ThrottleOutcome } from "./documents.ts";
import { milliseconds } from "./duration.ts";
import { percent } from "./live/numbers.ts";
import { oneLine } from "./live/width.ts";
import type { Style } from "./style.ts";
import { type CommonOptions, EXIT, examples, printJson, type Surroundings, verb, withEngine } from "./verb.ts";

type Options = CommonOptions & { pace?: number; role?: PacedRole; for?: number };

export function throttleVerb(around: Surroundings): Command {
  const command = verb("throttle", "how fast the move goes and why; with --pace, a ceiling for it")
    .option("--pace <pace>", "the highest pace, from 0 to 1; 1 lifts a ceiling that was set", pace)
    .addOption(new Option("--role <role>", "of this role alone").choices(PACED_ROLES))
    .option("--for <duration>", "for that time, such as 2h; left out: until it is set anew", milliseconds)
    .action((options: Options) => {
      const { pace, role, for: forMs } = options;
      if (pace === undefined && (role !== undefined || forMs !== undefined))
        throw new RehouseError("REHOUSE_USAGE", {
          what: "--role and --for say what a pace is for, and there is none.",
          fix: "rehouse throttle --pace 0.5",
        });
      return withEngine(options, around, async (context) => {
        const { engine, signal, io, json, file, style } = context;
        if (pace !== undefined) return reportControl(context, await engine.throttle({ pace, role, forMs }, signal));
        const found = await engine.throttled();
        if (json) printJson(io, { formatVersion: 1, migration: file.name, ...found });
        else io.out(`${lines(found, style).join("\n")}\n`);
        return EXIT.done;
      });
    });
  return examples(command, [
    ["rehouse throttle", "how fast each role goes, which signal slows it, and what changed"],
    ["rehouse throttle --pace 0.5", "half of what it would be, until it is set anew"],
    ["rehouse throttle --pace 0.2 --role backfill --for 2h", "the copy alone, and for two hours"],
  ]);
}

function lines(found: ThrottleOutcome, paint: Style): string[] {
  const { roles, because, set, signals, changes, controlled } = found;
  const near = signals.filter(({ level }) => level !== "ok");
  return [
    `pace      ${percent(found.pace)}${because === null ? "" : `: ${inWords(because)}, since ${because.since}`}`,
    `roles     ${PACED_ROLES.map((role) => `${role} ${percent(roles[role])}`).join(", ")}`,
    ...(controlled
      ? []
      : [paint.yellow("          no controller lives: nothing looks at the servers, and only what people have set holds")]),
    ...set.map(
      ({ role, pace, by, since, until }) =>
        `set       ${role === "" ? "all roles" : role} at most ${percent(pace)} by ${oneLine(by)} at ${since}, ${until === null ? "until it is set anew" : `until ${until}`}`,
    ),
    ...signals.map(({ signal, value, limit, level }) => {
      const text = `signal    ${oneLine(signal)} ${value}, limit ${limit}`;
      return level === "ok" ? text : paint.yellow(`${text}: ${level}`);
    }),
    ...(near.length === 0 && signals.length > 0 ? ["          none is over its limit"] : []),
    ...changes.map(
      ({ at, pace, because }) => `change    ${at} ${percent(pace)}${because === null ? "" : `: ${inWords(because)}`}`,
    ),
  ];
}

function inWords({ signal, value, limit }: { signal: string; value: string; limit: string }): string {
  return `${oneLine(signal)} ${oneLine(value)}, limit ${oneLine(limit)}`;
}

function pace(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value <= 1)) throw new InvalidArgumentError("Expected a number from 0 to 1.");
  return value;
}
