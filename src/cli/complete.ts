import { Argument, Command } from "commander";
import { completionScript, SHELLS, type Shell, verbTree } from "./completion/index.ts";
import { EXIT, examples, type Surroundings } from "./verb.ts";

/** `rehouse completion bash`: a script, made from the program that it is part of. Names of tenants are in no script: they are nobody's to keep. */
export function completionVerb({ io, finished }: Surroundings): Command {
  const command = new Command("completion")
    .description("print a script that completes verbs and options in a shell")
    .addArgument(new Argument("<shell>", "the shell").choices(SHELLS))
    .action((shell: Shell, _options: unknown, itself: Command) => {
      io.out(completionScript(shell, verbTree(itself.parent ?? itself)));
      finished(EXIT.done);
    });
  return examples(command, [
    ["source <(rehouse completion bash)", "in ~/.bashrc"],
    ["source <(rehouse completion zsh)", "in ~/.zshrc, after compinit"],
    ["rehouse completion fish > ~/.config/fish/completions/rehouse.fish", "once"],
  ]);
}
