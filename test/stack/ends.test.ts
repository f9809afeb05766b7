import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { waitUntil } from "../support/index.ts";

const main = fileURLToPath(new URL("../../stack/main.ts", import.meta.url));

/** A stack of its own in a process of its own, as `npm run stack` starts it. */
async function startProcess() {
  const folder = await mkdtemp(join(tmpdir(), "rehouse-ends-"));
  // Postgres may run as another user.
  await chmod(folder, 0o711);
  const exportFile = join(folder, "stack.env");
  const environment = Object.entries(process.env).filter(
    ([name]) => !/^(SOURCE_URL|TARGET_URL|KAFKA_BROKERS|REGISTRY_URL|npm_.*)$/.test(name),
  );
  const starter = spawn(process.execPath, [main, "--export-file", exportFile], {
    env: { ...Object.fromEntries(environment), TMPDIR: folder },
    stdio: ["ignore", "ignore", "ignore"],
  });
  onTestFinished(async () => {
    starter.kill("SIGKILL");
    await rm(folder, { recursive: true, force: true, maxRetries: 50, retryDelay: 100 });
  });
  return { folder, exportFile, starter };
}

async function portsIn(exportFile: string): Promise<number[]> {
  const text = await readFile(exportFile, "utf8");
  return [...text.matchAll(/127\.0\.0\.1:(\d+)/g)].map((match) => Number(match[1]));
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

async function nothingRemains(folder: string, ports: number[]): Promise<void> {
  await waitUntil(async () => !(await readdir(folder)).some((name) => name.startsWith("rehouse-stack-")), {
    deadlineMs: 20_000,
    what: "the servers' folder to go",
  });
  expect(await Promise.all(ports.map(isOpen))).toEqual(ports.map(() => false));
}

async function ended(starter: ChildProcess): Promise<number | null> {
  if (starter.exitCode === null && starter.signalCode === null) await once(starter, "exit");
  return starter.exitCode;
}

test.for(["SIGINT", "SIGTERM", "SIGKILL"] as const)("nothing remains of a stack whose starter gets %s", async (signal) => {
  const { folder, exportFile, starter } = await startProcess();
  const ports = await waitUntil(() => portsIn(exportFile), { deadlineMs: 50_000, what: "the stack to start" });
  expect(ports).toHaveLength(4);
  expect(await Promise.all(ports.map(isOpen))).toEqual([true, true, true, true]);
  starter.kill(signal);
  expect(await ended(starter)).toBe(signal === "SIGKILL" ? null : 0);
  await nothingRemains(folder, ports);
});

test("nothing remains of a stack that is killed while it starts", async () => {
  const { folder, starter } = await startProcess();
  await waitUntil(async () => (await readdir(folder)).length > 0, { deadlineMs: 20_000, what: "the servers' folder" });
  starter.kill("SIGKILL");
  await ended(starter);
  await nothingRemains(folder, []);
});
