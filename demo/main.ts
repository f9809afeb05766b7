/**
 * `npm run demo`: a busy pooled database moves into a schema per tenant, and the two are compared. Exit: 0 when all is equal, 1 when not,
 * 2 for wrong options, 3 when servers are missing or fail, 130 after Ctrl-C.
 */
import { parseArgs } from "node:util";
import { asRehouseError, formatFailure, formatStack } from "../src/cli/failure.ts";
import { interruptible } from "../src/cli/interrupt.ts";
import { type Io, processIo } from "../src/cli/io.ts";
import { RehouseError } from "../src/errors.ts";
import { type DemoOptions, demo } from "./demo.ts";
import { TenantsStopped } from "./move.ts";
import { DEMO_SIZE } from "./saas.ts";
import { createScreen, number, type Screen } from "./screen.ts";
import { NoServers } from "./servers.ts";

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
  const screen = createScreen(io);
  const { style } = screen;
  const rows = options.size.rows === DEMO_SIZE.rows ? "Half a million" : number(options.size.rows);
  const tenants = `${number(options.size.tenants)} tenants of a busy database move to another one while clients write`;
  screen.line(`${style.bold("Rehouse demo:")} ${tenants}; about a minute.`);
  screen.line(style.dim(`${rows} rows leave shared tables for a schema per tenant. Ctrl-C ends it; nothing is left behind.`));
  screen.line("");
  try {
    const equal = await demo(options, screen, signal);
    if (io.terminal && !options.keep) suggest(screen);
    return equal ? 0 : 1;
  } catch (error) {
    if (signal.aborted) {
      screen.line("Stopped.");
      return 130;
    }
    return fail(error, screen);
  }
}

function readOptions(): DemoOptions | undefined {
  try {
    const { values } = parseArgs({
      options: {
        keep: { type: "boolean", default: false },
        rows: { type: "string", default: String(DEMO_SIZE.rows) },
        tenants: { type: "string", default: String(DEMO_SIZE.tenants) },
      },
    });
    const [rows, tenants] = [Number(values.rows), Number(values.tenants)];
    const sound = Number.isInteger(rows) && Number.isInteger(tenants) && rows >= 100 && tenants >= 1;
    return sound ? { keep: values.keep, size: { rows, tenants } } : undefined;
  } catch {
    return undefined;
  }
}

function suggest({ line, style }: Screen): void {
  line("");
  line(style.bold("What next?"));
  line(`  npm run demo -- --keep     ${style.dim("the same, and it all stays up for you to look around in")}`);
  line(`  less demo/rehouse.yaml     ${style.dim("the file that said what goes where, and how")}`);
  line(`  less README.md             ${style.dim("how to move tenants of your own")}`);
}

function fail(error: unknown, { io: { err, env }, style }: Screen): number {
  if (env["REHOUSE_DEBUG"] === "1") err(`${formatStack(error)}\n`);
  if (error instanceof NoServers) {
    err(`${error.message}\n`);
    return 3;
  }
  if (error instanceof TenantsStopped) {
    err(`${style.red("✗")} Tenants stopped and need a person, which a demo has not:\n`);
    for (const { tenant, stopped } of error.stopped)
      err(`  ${tenant}  ${stopped.code}  ${stopped.what} ${stopped.position ?? ""}\n`);
    return 1;
  }
  const failure = error instanceof RehouseError ? error : asRehouseError(error);
  err(`${formatFailure(failure, style)}\n`);
  return failure.exit;
}
