/**
 * `npm run stack [-- --export-file PATH]`: starts the servers, prints their addresses as `export` lines on stdout, and stays until
 * Ctrl-C. Everything else goes to stderr.
 */
import { rename, rm, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { startStack } from "./start.ts";

const { values } = parseArgs({ options: { "export-file": { type: "string" } } });
const exportFile = values["export-file"];
const say = (line: string) => process.stderr.write(`${line}\n`);

const interrupted = new Promise<void>((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => {
      // Whoever asks a second time gets out at once; the servers end with this process in any case.
      process.on(signal, () => process.exit(130));
      resolve();
    });
  }
});

/**
 * Under npm the end of npm is the end of the stack, also when npm was killed and could not pass a signal on. (The scripts in package.json
 * begin with `exec`, so that npm itself is the parent, not a shell that keeps signals to itself.)
 */
const parentGone = new Promise<void>((resolve) => {
  const parent = process.ppid;
  setInterval(() => {
    if (process.env["npm_lifecycle_event"] && process.ppid !== parent) resolve();
  }, 1_000);
});

const starting = startStack({ log: say });
const stack = await Promise.race([starting, interrupted.then(() => undefined), parentGone.then(() => undefined)]).catch(
  (error) => {
    say(error instanceof Error ? error.message : String(error));
    process.exit(3);
  },
);
if (stack) {
  const lines = Object.entries(stack.env()).map(([name, value]) => `export ${name}='${value}'\n`);
  process.stdout.write(lines.join(""));
  if (exportFile) {
    // In one piece: others wait for the file and read it at once.
    await writeFile(`${exportFile}.new`, lines.join(""), { mode: 0o600 });
    await rename(`${exportFile}.new`, exportFile);
  }
  say(`the stack runs (${stack.provider}); Ctrl-C ends it`);
  await Promise.race([interrupted, parentGone]);
  say("stopping");
  await stack.stop();
  if (exportFile) await rm(exportFile, { force: true });
}
process.exit(stack ? 0 : 130);
