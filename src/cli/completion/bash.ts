import { type CompletedVerb, withPaths } from "./tree.ts";

/** For bash 3.2 and newer: macOS has never had a later one. */
export function bashScript(root: CompletedVerb): string {
  const paths = withPaths(root);
  const values = paths.flatMap(([path, { options }]) =>
    options.flatMap(({ flags, value }) =>
      value.kind === "none" ? [] : [`    ${flags.map((flag) => quoted(`${path} ${flag}`)).join(" | ")}) ${answer(value)} ;;`],
    ),
  );
  const words = paths.map(([path, { options, verbs, words: more }]) => {
    const all = [...verbs.map(({ name }) => name), ...more, ...options.flatMap(({ flags }) => flags)];
    return `    ${quoted(path)}) words=${quoted(all.join(" "))} ;;`;
  });
  const [, ...below] = paths;
  return `# rehouse's completion for bash. In ~/.bashrc:  source <(rehouse completion bash)
_rehouse() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" path=${quoted(root.name)} words='' files='' i
  # bash takes --role=capture apart at the equals sign.
  if [ "$cur" = '=' ]; then cur=''
  elif [ "$prev" = '=' ] && [ "$COMP_CWORD" -ge 2 ]; then prev="\${COMP_WORDS[COMP_CWORD-2]}"
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$path \${COMP_WORDS[i]}" in
      ${below.map(([path]) => quoted(path)).join(" | ")}) path="$path \${COMP_WORDS[i]}" ;;
    esac
  done
  case "$path" in
${words.join("\n")}
  esac
  case "$path $prev" in
${values.join("\n")}
  esac
  local IFS=$' \\t\\n'
  if [ -n "$files" ]; then
    compopt -o filenames 2>/dev/null
    IFS=$'\\n'
    COMPREPLY=($(compgen -f -- "$cur"))
  else
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
  fi
}
complete -F _rehouse ${root.name}
`;
}

function answer(value: { kind: "choices"; choices: readonly string[] } | { kind: "file" } | { kind: "unknown" }): string {
  switch (value.kind) {
    case "choices":
      return `words=${quoted(value.choices.join(" "))}`;
    case "file":
      return "files=yes";
    case "unknown":
      return "words=''";
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
