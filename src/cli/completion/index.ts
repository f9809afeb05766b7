import { bashScript } from "./bash.ts";
import { fishScript } from "./fish.ts";
import type { CompletedVerb } from "./tree.ts";
import { zshScript } from "./zsh.ts";

export { verbTree } from "./tree.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

const SCRIPTS: Record<Shell, (root: CompletedVerb) => string> = { bash: bashScript, zsh: zshScript, fish: fishScript };

export function completionScript(shell: Shell, root: CompletedVerb): string {
  return SCRIPTS[shell](root);
}
