import { execFileSync, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rehouse } from "./support.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rehouse-completion-"));
  await writeFile(join(folder, "rehouse.bash"), (await rehouse(["completion", "bash"])).out);
  await writeFile(join(folder, "my move.yaml"), "");
});
afterAll(() => rm(folder, { recursive: true }));

/** What bash offers behind these words, of which the last one is being typed. */
function offered(...words: readonly string[]): string[] {
  const script = `source ./rehouse.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _rehouse; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const out = execFileSync("bash", ["--norc", "-c", script, "bash", ...words], { cwd: folder, encoding: "utf8" });
  return out.split("\n").filter((line) => line !== "");
}

describe("completion in bash", () => {
  it("offers the verbs of this version, and not those that it lacks", () => {
    expect(offered("rehouse", "re")).toEqual(["rehearse", "resume", "retry", "resync"]);
    expect(offered("rehouse", "")).toContain("completion");
    expect(offered("rehouse", "imp")).toEqual([]);
  });

  it("offers a verb's own options", () => {
    expect(offered("rehouse", "status", "--")).toEqual(expect.arrayContaining(["--watch", "--interval", "--file", "--json"]));
    expect(offered("rehouse", "status", "--")).not.toContain("--role");
    expect(offered("rehouse", "-f", "x", "cutover", "--d")).toEqual(["--dry-run"]);
  });

  it("offers what an option takes: choices, files, and nothing where nobody can know", () => {
    expect(offered("rehouse", "run", "--role", "c")).toEqual(["capture", "control"]);
    expect(offered("rehouse", "run", "--role", "=", "app")).toEqual(["apply"]);
    expect(offered("rehouse", "check", "-f", "my")).toEqual(["my move.yaml"]);
    expect(offered("rehouse", "retry", "--tenant", "")).toEqual([]);
    expect(offered("rehouse", "completion", "")).toEqual(expect.arrayContaining(["bash", "zsh", "fish"]));
  });
});

describe("completion in other shells", () => {
  it.each(["zsh", "fish"] as const)("in %s has every verb and every option, and is read without complaint", async (shell) => {
    const { out, exit } = await rehouse(["completion", shell]);
    expect(exit).toBe(0);
    const { out: bash } = await rehouse(["completion", "bash"]);
    for (const [, option = ""] of bash.matchAll(/ --([a-z-]+)/g))
      expect(out).toContain(shell === "fish" ? `-l ${option}` : `--${option}`);
    const read = spawnSync(shell, ["-n"], { input: out, encoding: "utf8" });
    // Where the shell itself is not there, only its text is looked at.
    if (read.error === undefined) expect(read).toMatchObject({ status: 0, stderr: "" });
  });

  it("refuses a shell that it does not know, by name", async () => {
    const { exit, err } = await rehouse(["completion", "tcsh"]);
    expect(exit).toBe(2);
    expect(err).toContain("Allowed choices are bash, zsh, fish");
  });
});
