/**
 * `npm run test:soak -- --seeds N [--from S] [--worlds W]`: random switches under clients that keep a log, with faults of every kind, on servers of its own
 * that may be killed, too. `worlds` migrations live side by side.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startVitest } from "vitest/node";

const text = (preset: string) => ({ type: "string", default: preset }) as const;
const { values } = parseArgs({ options: { seeds: text("200"), from: text("1"), worlds: text("3") } });
process.env["REHOUSE_SWITCH_SEEDS"] = values.seeds;
process.env["REHOUSE_SWITCH_FROM"] = values.from;
process.env["REHOUSE_SWITCH_WORLDS"] = values.worlds;
process.env["REHOUSE_SWITCH_SERVERS"] = "own";

const root = fileURLToPath(new URL("..", import.meta.url));
const vitest = await startVitest("test", ["test/jepsen/switches.test.ts"], {
  root,
  watch: false,
  maxWorkers: 1,
  maxConcurrency: Number(values.worlds),
  reporters: ["verbose"],
});
const failed = vitest.state.getCountOfFailedTests() + vitest.state.getUnhandledErrors().length;
await vitest.close();
process.exitCode = failed > 0 ? 1 : 0;
