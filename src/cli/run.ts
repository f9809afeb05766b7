import { type Command, Option } from "commander";
import { redact } from "../redact.ts";
import type { RunOutcome } from "./documents.ts";
import { ROLES, type Role, type RunEvent } from "./engine.ts";
import { LISTEN, type ListenFlags, startApi, withListenOptions } from "./listening.ts";
import { watch } from "./live/index.ts";
import { oneLine } from "./live/width.ts";
import { metricsOf, serveMetrics } from "./metrics.ts";
import type { Style } from "./style.ts";
import {
  type CommonOptions,
  type Context,
  EXIT,
  type ExitCode,
  examples,
  printJson,
  type Surroundings,
  verb,
  withEngine,
} from "./verb.ts";

const INTERVAL_MS = { terminal: 500, elsewhere: 5000 };
const EXIT_OF: Record<RunOutcome["outcome"], ExitCode> = {
  "in-sync": EXIT.done,
  "needs-person": EXIT.no,
  interrupted: EXIT.interrupted,
};

type RunOptions = CommonOptions &
  ListenFlags & { role?: Role[]; until?: "in-sync"; serve?: string | true; metrics?: string | true };

/** `rehouse run`: works until it is stopped, or with `--until in-sync` until every tenant is there. */
export function runVerb(around: Surroundings): Command {
  const command = verb("run", "do the work until stopped; started again, it goes on where it was")
    .addOption(
      new Option("--role <role...>", "only these parts of the work, the others in processes of their own").choices(ROLES),
    )
    .option("--metrics [address]", "serve /metrics, /livez and /readyz there (default: 127.0.0.1:9187; host:port, or a port)")
    .addOption(new Option("--until <state>", "end with 0 once every tenant is there").choices(["in-sync"]))
    .addOption(new Option("--serve [address]", `the HTTP API beside the work, as \`rehouse serve\` has it (default ${LISTEN})`));
  withListenOptions(command).action((options: RunOptions) => withEngine(options, around, (context) => run(options, context)));
  return examples(command, [
    ["rehouse run", "all roles, until Ctrl-C"],
    ["rehouse run --until in-sync", "ends with 0 once every tenant is there"],
    ["rehouse run --role capture --role apply", "two roles; the others run elsewhere"],
    ["rehouse run --serve", "and the HTTP API beside them"],
  ]);
}

async function run({ role, until, serve, metrics, ...flags }: RunOptions, context: Context): Promise<ExitCode> {
  const { io, json, file, engine, signal } = context;
  let made: ReturnType<typeof metricsOf> | undefined;
  const registry = () => (made ??= metricsOf(context));
  // Before the work: what is wrong about an address is said at once.
  await using _listener = metrics === undefined ? undefined : await serveMetrics(metrics, await registry());
  const api = serve === undefined ? undefined : await startApi(context, serve === true ? LISTEN : serve, flags, registry);
  const view = startView(context);
  let outcome: RunOutcome | undefined;
  try {
    if (api !== undefined) view.event({ level: "info", role: undefined, text: `the API is at ${api.url}/api/v1` });
    outcome = await engine.run(
      { roles: role === undefined ? undefined : [...new Set(role)], until, onEvent: (event) => view.event(event) },
      signal,
    );
  } finally {
    await api?.close();
    await view.stop(outcome);
  }
  if (json) printJson(io, { formatVersion: 1, migration: file.name, ...outcome });
  else io.out(`${summary(outcome, context.style)}\n`);
  return EXIT_OF[outcome.outcome];
}

/** Shows progress beside the work; whatever happens to the view, the work goes on. */
function startView({ io, json, style, engine, logs }: Context): {
  event: (event: RunEvent) => void;
  stop: (outcome: RunOutcome | undefined) => Promise<void>;
} {
  // With --json stdout is kept for the one document at the end.
  const told = (say: (line: string) => void) => (event: RunEvent) =>
    event.record === undefined ? say(formatEvent(event, style)) : logs.write(event.record);
  if (json) return { event: told((line) => io.err(`${line}\n`)), stop: async () => {} };
  const stopping = new AbortController();
  let outcome: RunOutcome | undefined;
  const intervalMs = io.terminal ? INTERVAL_MS.terminal : INTERVAL_MS.elsewhere;
  const view = watch(
    { io, json, status: (signal) => engine.status(signal), intervalMs, patient: true, lastStatus: () => outcome?.status },
    stopping.signal,
  );
  const ended = view.ended.catch((error: unknown) => {
    view.log(
      style.yellow(
        `The view has stopped, the work goes on: ${oneLine(redact(error instanceof Error ? error.message : String(error)))}`,
      ),
    );
  });
  logs.beside((line) => view.log(line));
  return {
    event: told((line) => view.log(line)),
    async stop(result) {
      outcome = result;
      stopping.abort();
      await ended;
    },
  };
}

function formatEvent({ level, role, text }: RunEvent, style: Style): string {
  const line = `${role === undefined ? "" : `${role}: `}${oneLine(redact(text))}`;
  return level === "warning" ? style.yellow(line) : style.dim(line);
}

function summary({ outcome, status }: RunOutcome, style: Style): string {
  const stopped = status.tenants.filter((tenant) => tenant.stopped !== null).length;
  if (outcome === "in-sync") return `${style.green("✓")} Every tenant is in-sync.`;
  if (outcome === "interrupted") return `Stopped. \`rehouse run\` goes on where it was.`;
  return `${style.red("✗")} ${stopped} of ${status.tenants.length} tenants stopped and need a person: \`rehouse status\` says why.`;
}
