// A role as the supervisor sees it: what it does is written in the file that takes the migration file's place.
import { appendFileSync, readFileSync } from "node:fs";

const [role, path] = [process.argv[process.argv.indexOf("--role") + 1], process.argv.at(-1)];
const script = JSON.parse(readFileSync(path, "utf8"));
appendFileSync(script.log, `${role}\n`);
const starts = readFileSync(script.log, "utf8")
  .split("\n")
  .filter((line) => line === role).length;
const acts = script.roles[role];
const act = acts[Math.min(starts, acts.length) - 1];

if (act.say !== undefined) process.stderr.write(act.say);
if (act.error !== undefined) process.stdout.write(`${JSON.stringify({ error: act.error })}\n`);
if (act.exit !== undefined) {
  process.exitCode = act.exit;
  process.disconnect();
} else if (act.kill !== undefined) process.kill(process.pid, act.kill);
else {
  process.once("disconnect", () => process.exit(0));
  setInterval(() => undefined, 1000);
}
