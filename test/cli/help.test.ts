import { describe, expect, it } from "vitest";
import { commandTree } from "../../src/cli/program.ts";
import { quiet, rehouse } from "./support.ts";

/** Words as a shell has them, as far as our examples go: no quotes, and nothing behind a redirection. */
function wordsOf(line: string): string[] {
  const [command = ""] = line.replace(/^source <\((.*)\)$/, "$1").split(" > ");
  return command.split(" ").slice(1);
}

const visible = commandTree(quiet()).commands.filter((command) => command.description() !== "");

describe.each(visible.map((command) => command.name()))("the help of %s", (verb) => {
  it("has examples that all parse, each with what it is for", async () => {
    const { out, exit } = await rehouse([verb, "--help"]);
    expect(exit).toBe(0);
    const lines = (out.split("\nExamples:\n")[1] ?? "").trimEnd().split("\n");
    expect(lines[0]).not.toBe("");
    for (const line of lines) {
      const [, example = "", what] = /^ {2}(\S.*?) {2,}(\S.*)$/.exec(line) ?? [];
      expect(what, line).toBeDefined();
      const root = commandTree(quiet());
      let ran = "";
      for (const command of root.commands) {
        command.action(() => {
          ran = command.name();
        });
      }
      await root.parseAsync(wordsOf(example), { from: "user" });
      expect(ran, example).toBe(verb);
    }
  });
});
