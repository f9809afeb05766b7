import { type CompletedVerb, type Value, withPaths } from "./tree.ts";

/** A line for each verb and option, with the verbs that have to be there already as its condition. */
export function fishScript(root: CompletedVerb): string {
  const lines = withPaths(root).flatMap(([path, { options, verbs, words }]) => {
    const seen = path.split(" ").slice(1);
    const at = condition(seen, verbs);
    return [
      ...verbs.map(({ name, description }) => `complete -c ${root.name} -n ${at} -a ${quoted(name)} -d ${quoted(description)}`),
      ...(words.length === 0 ? [] : [`complete -c ${root.name} -n ${at} -a ${quoted(words.join(" "))}`]),
      ...options.map(
        ({ flags, description, value }) =>
          `complete -c ${root.name} -n ${condition(seen, seen.length === 0 ? verbs : [])} ${flags.map(flagText).join(" ")}${behind(value)} -d ${quoted(description)}`,
      ),
    ];
  });
  return `# rehouse's completion for fish:  rehouse completion fish > ~/.config/fish/completions/rehouse.fish
complete -c ${root.name} -f
${lines.join("\n")}
`;
}

/** All of `seen` are there, and none of the verbs below them yet. */
function condition(seen: readonly string[], below: readonly CompletedVerb[]): string {
  const parts = [
    ...seen.map((verb) => `__fish_seen_subcommand_from ${verb}`),
    ...(below.length === 0 ? [] : [`not __fish_seen_subcommand_from ${below.map(({ name }) => name).join(" ")}`]),
  ];
  return quoted(parts.length === 0 ? "true" : parts.join("; and "));
}

function flagText(flag: string): string {
  return flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`;
}

function behind(value: Value): string {
  switch (value.kind) {
    case "none":
      return "";
    case "file":
      return " -r -F";
    case "choices":
      return ` -x -a ${quoted(value.choices.join(" "))}`;
    case "unknown":
      return " -x";
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
