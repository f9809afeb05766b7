import { execFile } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { until } from "../until.ts";
import { makeClassArchives } from "./class-archives.ts";
import { findJava, type JavaServers, NOTHING_TO_START_WITH } from "./java.ts";
import { KAFKA_IDENTITY, properties } from "./kafka-properties.ts";

const run = promisify(execFile);

/** Maven at its slowest: an empty cache behind a slow line. */
const DOWNLOAD_DEADLINE_MS = 15 * 60_000;

/** Goes up when the same pom.xml has to give another folder. */
const LAYOUT = "2";

/**
 * The Java servers from the cache; the first time Maven resolves what pom.xml names. The cache is a folder per content of pom.xml that
 * appears in one piece by a rename, so it is complete or not there.
 */
export async function javaServers(log: (line: string) => void): Promise<JavaServers> {
  const java = await findJava();
  const pom = fileURLToPath(new URL("pom.xml", import.meta.url));
  const cache = process.env["REHOUSE_CACHE"] || join(homedir(), ".cache", "rehouse");
  const identity = createHash("sha256")
    .update(await readFile(pom))
    .update(JSON.stringify([LAYOUT, KAFKA_IDENTITY]));
  const folder = join(cache, `servers-${identity.digest("hex").slice(0, 16)}`);
  if (!existsSync(folder)) {
    await mkdir(cache, { recursive: true });
    await alone(`${folder}.lock`, async () => {
      if (existsSync(folder)) return;
      log("fetching Kafka and the schema registry with Maven (once)");
      await fetchInto(folder, pom, java, log);
    });
  }
  return serversIn(folder, java);
}

async function serversIn(folder: string, java: string): Promise<JavaServers> {
  const registry = join(folder, "registry");
  const jar = (await readdir(registry)).find((name) => name.endsWith("-runner.jar"));
  if (!jar) throw new Error(`${registry} holds no registry: remove ${folder} and try again`);
  return {
    java,
    kafka: { folder: join(folder, "kafka"), archive: join(folder, "kafka.jsa") },
    kafkaData: join(folder, "kafka-data"),
    registry: { folder: registry, jar, archive: join(folder, "registry.jsa") },
  };
}

async function fetchInto(folder: string, pom: string, java: string, log: (line: string) => void): Promise<void> {
  const draft = `${folder}.${randomUUID()}`;
  try {
    await run("mvn", ["-B", "-q", "-ntp", "-f", pom, `-Dinto=${draft}`, "package"], { maxBuffer: 64 * 1024 * 1024 }).catch(
      (error: NodeJS.ErrnoException & { stdout?: string }) => {
        if (error.code === "ENOENT") throw new Error(NOTHING_TO_START_WITH);
        throw new Error(`Maven could not fetch Kafka and the registry:\n${error.stdout ?? error.message}`, { cause: error });
      },
    );
    await formatKafka(draft, java);
    log("trying them out, so that they start fast from now on");
    await makeClassArchives(await serversIn(draft, java));
    await rename(draft, folder);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** Formats a data folder once and for all: a JVM of its own for that would cost every start more than a second. */
async function formatKafka(draft: string, java: string): Promise<void> {
  const data = join(draft, "kafka-data");
  const file = join(draft, "format.properties");
  await writeFile(
    file,
    properties({
      ...KAFKA_IDENTITY,
      "controller.quorum.voters": "1@127.0.0.1:1",
      listeners: "PLAINTEXT://127.0.0.1:2,CONTROLLER://127.0.0.1:1",
      "log.dirs": data,
    }),
  );
  const classes = join(draft, "kafka", "*");
  // Any id will do: brokers of different stacks never meet. It is 16 bytes in base64.
  const cluster = Buffer.from(randomUUID().replaceAll("-", ""), "hex").toString("base64url");
  await run(java, ["-cp", classes, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", file]);
}

/**
 * Runs `work` while no other process does: Maven's own cache is not made for two at a time. The lock is a file that names its owner; one
 * whose owner has died is taken over. Should two take it over in the same instant, both fetch, and the second rename fails in
 * favour of the first: wasteful, never wrong.
 */
async function alone(lock: string, work: () => Promise<void>): Promise<void> {
  await until(
    async () => {
      try {
        await writeFile(lock, String(process.pid), { flag: "wx" });
        return true;
      } catch {
        if (!isAlive(Number(await readFile(lock, "utf8")))) await rm(lock, { force: true });
        return false;
      }
    },
    { deadlineMs: DOWNLOAD_DEADLINE_MS, what: `another process to finish fetching (${lock})`, everyMs: 200 },
  );
  try {
    await work();
  } finally {
    await rm(lock, { force: true });
  }
}

function isAlive(pid: number): boolean {
  // A file that its owner has not written yet.
  if (!pid) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
