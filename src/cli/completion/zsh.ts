import { type CompletedOption, type CompletedVerb, withPaths } from "./tree.ts";

/** A function for each verb, on zsh's own _arguments. */
export function zshScript(root: CompletedVerb): string {
  const functions = withPaths(root).map(([path, verb]) => functionOf(path, verb));
  return `#compdef ${root.name}
# rehouse's completion for zsh. In ~/.zshrc, after compinit:  source <(rehouse completion zsh)
${functions.join("\n")}
compdef ${functionName(root.name)} ${root.name}
`;
}

function functionOf(path: string, { options, verbs, words }: CompletedVerb): string {
  const specs = options.map(optionSpec);
  if (verbs.length === 0) {
    const argument = words.length === 0 ? [] : [quoted(`1: :(${words.join(" ")})`)];
    return `${functionName(path)}() {\n  _arguments ${[...specs, ...argument].join(" \\\n    ")}\n}`;
  }
  const described = verbs.map(({ name, description }) => `    ${quoted(`${name}:${description.replaceAll(":", "\\:")}`)}`);
  const cases = verbs.map(({ name }) => `        ${name}) ${functionName(`${path} ${name}`)} ;;`);
  return `${functionName(path)}() {
  local curcontext="$curcontext" state line
  local -A opt_args
  local -a verbs
  verbs=(
${described.join("\n")}
  )
  _arguments -C ${[...specs, "'1: :->verb'", "'*:: :->rest'"].join(" \\\n    ")}
  case $state in
    verb) _describe verb verbs ;;
    rest)
      case $line[1] in
${cases.join("\n")}
      esac ;;
  esac
}`;
}

/** `'*'` lets an option be given again, which several of ours may be. */
function optionSpec({ flags, description, value }: CompletedOption): string {
  const text = `[${description.replaceAll(/[[\]\\]/g, "\\$&")}]`;
  const behind = {
    none: () => "",
    file: () => ":file:_files",
    choices: () => (value.kind === "choices" ? `:value:(${value.choices.join(" ")})` : ""),
    unknown: () => (value.kind === "unknown" ? `:${value.name}: ` : ""),
  }[value.kind]();
  return flags.map((flag) => quoted(`*${flag}${text}${behind}`)).join(" ");
}

function functionName(path: string): string {
  return `_${path.replaceAll(/[^A-Za-z0-9]+/g, "_")}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
