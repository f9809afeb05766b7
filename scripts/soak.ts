/** `npm run test:soak -- --seeds N [--from S]`: random switches with faults under clients that keep a log, one seed after another. */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startVitest } from "vitest/node";

const { values } = parseArgs({ options: { seeds: { type: "string", default: "200" }, from: { type: "string", default: "1" } } });
process.env["REHOUSE_SWITCH_SEEDS"] = values.seeds;
process.env["REHOUSE_SWITCH_FROM"] = values.from;

const root = fileURLToPath(new URL("..", import.meta.url));
const vitest = await startVitest("test", ["test/jepsen/switches.test.ts"], {
  root,
  watch: false,
  maxWorkers: 1,
  reporters: ["verbose"],
});
const failed = vitest.state.getCountOfFailedTests() + vitest.state.getUnhandledErrors().length;
await vitest.close();
process.exitCode = failed > 0 ? 1 : 0;
