/**
 * `npm run demo`: a busy pooled database moves into a schema per tenant, three tenants are switched, one comes back, one leaves for
 * good, and both sides are compared. Exit: 0 when all is equal, 1 when not,
 * 2 for wrong options, 3 when servers are missing or fail, 130 after Ctrl-C.
 */
import { parseArgs } from "node:util";
import { interruptible } from "../src/cli/interrupt.ts";
import { type Io, processIo } from "../src/cli/io.ts";
import { style } from "../src/cli/style.ts";
import type { DemoOptions } from "./demo.ts";

const DEFAULT_SIZE = { rows: 500_000, tenants: 40 };
const USAGE = "npm run demo [-- [--keep] [--rows <number>] [--tenants <number>]]";

const io = processIo();
using interrupt = interruptible(() => io.err("\nStopping; Ctrl-C again ends it at once.\n"));
const exit = await main(io, interrupt.signal);
// Servers that were still starting when they were no longer wanted end with this process.
process.exit(exit);

async function main(io: Io, signal: AbortSignal): Promise<number> {
  const options = readOptions();
  if (options === undefined) {
    io.err(`${USAGE}\n`);
    return 2;
  }
  welcome(options, io);
  // The engine takes its time to load; the first words, and an answer to Ctrl-C, do not wait for it.
  const { demo, failure } = await import("./demo.ts");
  try {
    const equal = await demo(options, io, signal);
    if (io.terminal && !options.keep) suggest(io);
    return equal ? 0 : 1;
  } catch (error) {
    if (signal.aborted) {
      io.out("Stopped.\n");
      return 130;
    }
    const { text, exit } = failure(error, io);
    io.err(`${text}\n`);
    return exit;
  }
}

function welcome({ size }: DemoOptions, { out, color }: Io): void {
  const { bold, dim } = style(color);
  const rows = size.rows === DEFAULT_SIZE.rows ? "Half a million" : size.rows.toLocaleString("en");
  out(
    `${bold("Rehouse demo:")} ${size.tenants} tenants of a busy database move to another one while clients write; three are switched, one comes back, one leaves for good.\n`,
  );
  out(dim(`${rows} rows leave shared tables for a schema per tenant. Ctrl-C ends it; nothing is left behind.`));
  out("\n\n");
}

function readOptions(): DemoOptions | undefined {
  try {
    const { values } = parseArgs({
      options: {
        keep: { type: "boolean", default: false },
        rows: { type: "string", default: String(DEFAULT_SIZE.rows) },
        tenants: { type: "string", default: String(DEFAULT_SIZE.tenants) },
      },
    });
    const [rows, tenants] = [Number(values.rows), Number(values.tenants)];
    const sound = Number.isInteger(rows) && Number.isInteger(tenants) && rows >= 100 && tenants >= 1;
    return sound ? { keep: values.keep, size: { rows, tenants } } : undefined;
  } catch {
    return undefined;
  }
}

function suggest({ out, color }: Io): void {
  const { bold, dim } = style(color);
  out(`
${bold("What next?")}
  npm run demo -- --keep     ${dim("the same, and it all stays up for you to look around in")}
  less demo/rehouse.yaml     ${dim("the file that said what goes where, and how")}
  less README.md             ${dim("how to move tenants of your own")}
`);
}
