/** What can be typed, read from the program itself, so that a completion never knows less, or more, than the help. */

import type { Command, Option } from "commander";

export type Value =
  | { readonly kind: "none" }
  | { readonly kind: "choices"; readonly choices: readonly string[] }
  | { readonly kind: "file" }
  /** Something that no script can know. */
  | { readonly kind: "unknown"; readonly name: string };

export type CompletedOption = { readonly flags: readonly string[]; readonly description: string; readonly value: Value };

export type CompletedVerb = {
  readonly name: string;
  readonly description: string;
  readonly options: readonly CompletedOption[];
  /** What may stand behind it, besides options. */
  readonly words: readonly string[];
  readonly verbs: readonly CompletedVerb[];
};

export function verbTree(command: Command): CompletedVerb {
  const help = command.createHelp();
  return {
    name: command.name(),
    description: command.description(),
    options: help.visibleOptions(command).map(completed),
    words: command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
    verbs: help.visibleCommands(command).map(verbTree),
  };
}

/** Every verb with the words that lead to it, the program's name first. */
export function withPaths(verb: CompletedVerb, above: readonly string[] = []): (readonly [path: string, verb: CompletedVerb])[] {
  const path = [...above, verb.name];
  return [[path.join(" "), verb], ...verb.verbs.flatMap((below) => withPaths(below, path))];
}

function completed(option: Option): CompletedOption {
  const flags = [option.long, option.short].flatMap((flag) => flag ?? []);
  return { flags, description: option.description, value: valueBehind(option) };
}

const FILES = /<(?:path|file|directory)>/;

function valueBehind({ flags, argChoices }: Option): Value {
  if (argChoices !== undefined) return { kind: "choices", choices: argChoices };
  if (FILES.test(flags)) return { kind: "file" };
  const name = /<([^>.]+)/.exec(flags)?.[1];
  return name === undefined ? { kind: "none" } : { kind: "unknown", name };
}
