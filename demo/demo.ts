import { fileURLToPath } from "node:url";
import type { Engine, RunEvent } from "../src/cli/engine.ts";
import { formatFailure, formatStack } from "../src/cli/failure.ts";
import type { Io } from "../src/cli/io.ts";
import { style } from "../src/cli/style.ts";
import { createEngine } from "../src/compose.ts";
import { loadMigrationFile } from "../src/file/index.ts";
import { createLogger } from "../src/log.ts";
import { SHARED_UNIT } from "../src/model/mapping.ts";
import { asRehouseError } from "../src/server-failure.ts";
import { withClient } from "./client.ts";
import { countRows } from "./count-rows.ts";
import { lookAround } from "./look-around.ts";
import { moveAll, TenantsStopped } from "./move.ts";
import { createSaas, type SaasSize } from "./saas.ts";
import { createScreen, number, type Screen, seconds } from "./screen.ts";
import { NoServers, type Servers, startServers, urlsOf } from "./servers.ts";
import { isEqual, printDifferences, printResults, type Result, resultsOf } from "./summary.ts";
import { startTraffic, type Traffic } from "./traffic.ts";

const CLIENTS = 6;
const TRANSACTIONS_PER_SECOND = 250;

const FILE = fileURLToPath(new URL("rehouse.yaml", import.meta.url));
const ENTRY = fileURLToPath(new URL("../src/main.ts", import.meta.url));

export type DemoOptions = {
  size: SaasSize;
  /** Whether everything stays up afterwards, until Ctrl-C. */
  keep: boolean;
};

/**
 * The whole story, from empty servers to the proof. Resolves to whether all is equal; rejects with what went wrong, or when `signal`
 * aborts. Whatever it started has ended by then, but for servers that were still starting: they end with this process.
 */
export async function demo({ size, keep }: DemoOptions, io: Io, signal: AbortSignal): Promise<boolean> {
  const screen = createScreen(io);
  const began = performance.now();
  await using servers = await unlessAborted(
    startServers((line) => screen.note(line)),
    signal,
  );
  screen.step("servers", `two Postgres, Kafka, a schema registry (${servers.provider}), ${seconds(performance.now() - began)}`);

  const seeding = performance.now();
  const rows = await unlessAborted(createSaas(servers.sourceUrl, size), signal);
  screen.step(
    "source",
    `${number(rows)} rows of ${number(size.tenants)} tenants, pooled, ${seconds(performance.now() - seeding)}`,
  );

  await using traffic = await startTraffic(urlsOf(servers), { clients: CLIENTS, perSecond: TRANSACTIONS_PER_SECOND });
  screen.step(
    "clients",
    `${CLIENTS} at work, ${TRANSACTIONS_PER_SECOND} transactions a second: they insert, update, delete, undo`,
  );

  // The roles are processes of their own, and read the file again.
  // What they wait out and do again is in their log, which would stand in the middle of the picture.
  Object.assign(process.env, servers.env, { REHOUSE_LOG: process.env["REHOUSE_LOG"] ?? "error" });
  const file = await loadMigrationFile(FILE, process.env);
  await using engine = await createEngine(file, { entry: ENTRY, filePath: FILE, log: createLogger() });
  await using _remains = { [Symbol.asyncDispose]: () => clearUp(engine, servers) };
  return await running({ engine, traffic, screen }, signal, async (work) => {
    const moved = await moveAll({ engine, traffic, urls: urlsOf(servers), screen }, work);
    await screen.hide();
    const tenants = moved.quiet.tenants.map(({ tenant }) => tenant).filter((tenant) => tenant !== SHARED_UNIT);
    const results = resultsOf({ ...moved, counted: await countRows(file, tenants) });
    screen.line("");
    printResults(results, screen);
    screen.line("");
    const equal = moved.comparedBusy.equal && moved.compared.equal && results.every(isEqual);
    for (const compared of [moved.comparedBusy, moved.compared]) if (!compared.equal) printDifferences(compared, screen);
    screen.line(verdict(results, moved.quiet.tenants.length - results.length, equal, screen));
    screen.line(
      `  ${number(moved.written.inserts)} rows inserted, ${number(moved.written.updates)} updated, ${number(moved.written.deletes)} deleted by clients meanwhile; ${seconds(performance.now() - began)} in all.`,
    );
    const [switched, other] = results.map(({ tenant }) => tenant);
    if (keep && switched !== undefined && other !== undefined) await lookAround({ servers, screen, switched, other }, work);
    return equal;
  });
}

/** `body` beside a running migration. What ends the migration or a client ends the body, and is what it fails with. */
async function running<T>(
  { engine, traffic, screen }: { engine: Engine; traffic: Traffic; screen: Screen },
  signal: AbortSignal,
  body: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  const trouble = new AbortController();
  const ending = AbortSignal.any([signal, over.signal]);
  const onEvent = ({ level, role, text }: RunEvent) => {
    // What roles say of their own end is of interest to nobody.
    if (!ending.aborted) screen.note(role === undefined ? text : `${role}: ${text}`, level);
  };
  const run = engine
    .run({ roles: undefined, until: undefined, onEvent }, ending)
    .then(() => {
      if (!ending.aborted) throw new Error("the migration ended by itself");
    })
    .catch((error: unknown) => trouble.abort(error));
  traffic.ended.catch((error: unknown) => trouble.abort(error));
  screen.line("");
  screen.follow((asked) => engine.status(asked));
  try {
    const result = await body(AbortSignal.any([signal, trouble.signal]));
    trouble.signal.throwIfAborted();
    return result;
  } catch (error) {
    throw trouble.signal.aborted ? trouble.signal.reason : error;
  } finally {
    await screen.hide();
    over.abort();
    await run;
  }
}

/** On servers that stay, everything that the migration made: slots, publications, topics, schemas. */
async function clearUp(engine: Engine, servers: Servers): Promise<void> {
  if (!servers.outlive) return;
  // Both databases go after this. So nobody has to be brought home first, as a cancel would ask for.
  await withClient(servers.targetUrl, (client) =>
    client.query("UPDATE rehouse.tenant SET phase = 'contracted' WHERE phase IN ('cutting-over', 'soaking')"),
  ).catch(() => undefined);
  // If it never began there is nothing; what fails here would hide what came before.
  await engine.cancel(AbortSignal.timeout(30_000)).catch(() => undefined);
}

/** `left`: how many have left their old home, so that there is nothing to compare. */
function verdict(results: readonly Result[], left: number, equal: boolean, { style }: Screen): string {
  const tenants = results.filter(({ tenant }) => tenant !== SHARED_UNIT);
  const same = tenants.filter(isEqual).length;
  const rows = tenants.reduce((sum, { rows: of }) => sum + of.target, 0);
  if (equal)
    return `${style.green("✓")} ${style.bold(`All ${number(same)} tenants are equal on both sides`)}: ${number(rows)} rows, each in the schema of its tenant.${left === 0 ? "" : ` ${number(left)} more has moved for good.`}`;
  return `${style.red("✗")} ${style.bold(`${number(same)} of ${number(tenants.length)} tenants are equal.`)}`;
}

/** What a person is told of an error of {@link demo}, and the exit code. */
export function failure(error: unknown, { color, env }: Io): { text: string; exit: number } {
  const stack = env["REHOUSE_DEBUG"] === "1" ? `${formatStack(error)}\n` : "";
  if (error instanceof NoServers) return { text: stack + error.message, exit: 3 };
  if (error instanceof TenantsStopped) {
    const stopped = error.stopped.map(
      ({ tenant, stopped: { code, what, position } }) => `  ${tenant}  ${code}  ${what} ${position ?? ""}`,
    );
    return { text: [`${stack}${style(color).red("✗")} Tenants have stopped and need a person:`, ...stopped].join("\n"), exit: 1 };
  }
  const known = asRehouseError(error);
  return { text: stack + formatFailure(known, style(color)), exit: known.exit };
}

/** The work's result, or the signal's reason as soon as it aborts: the work is then left to itself. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    work.then(resolve, reject);
  });
}
