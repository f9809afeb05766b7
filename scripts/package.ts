/**
 * Whether what would be published works: packs the package as npm does, installs it in an empty folder, and runs it there with the
 * machine's own Node, which need not be the one of node_modules.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "rehouse-package-"));

/** Without node_modules/.bin on the path, and without the settings of an npm around us. */
function environment(): NodeJS.ProcessEnv {
  const outer = Object.entries(process.env).filter(([name]) => !/^npm_(lifecycle|package|command)/.test(name));
  const path = (process.env["PATH"] ?? "").split(delimiter).filter((entry) => !entry.includes("node_modules"));
  return { ...Object.fromEntries(outer), PATH: path.join(delimiter) };
}

function run(command: string, args: string[], cwd: string): string {
  return execFileSync(command, args, { cwd, env: environment(), encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}

try {
  run("npm", ["pack", "--silent", "--pack-destination", folder], root);
  const archive = readdirSync(folder).find((name) => name.endsWith(".tgz"));
  if (!archive) throw new Error("npm pack made no archive");
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "empty", private: true }));
  run("npm", ["install", "--silent", "--no-audit", "--no-fund", "--prefer-offline", join(folder, archive)], folder);
  const node = run("node", ["--version"], folder).trim();
  if (!existsSync(join(folder, "node_modules", "rehouse", "dist", "web", "index.html")))
    throw new Error("the package has no dashboard");
  const help = run("node", [join(folder, "node_modules", "rehouse", "dist", "src", "main.js"), "--help"], folder);
  if (!/Usage: rehouse/.test(help)) throw new Error(`rehouse --help does not say how to use it:\n${help}`);
  run(join(folder, "node_modules", ".bin", "rehouse"), ["--help"], folder);
  const router = "import { Router } from 'rehouse/router'; console.log(typeof Router)";
  if (run("node", ["--input-type=module", "--eval", router], folder).trim() !== "function")
    throw new Error("rehouse/router has no Router");
  process.stdout.write(`${archive} installs and runs with Node ${node}\n`);
} catch (error) {
  // What the command said before it failed is what helps.
  if (error instanceof Error && "stdout" in error) process.stdout.write(`${error.stdout}`);
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
