import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { DockerComposeEnvironment } from "testcontainers";
import { kafkaAnswers, postgresAnswers, registryAnswers } from "./answers.ts";
import { freePorts } from "./ports.ts";
import { addressVariables, type Faults, type ServerName, type Stack, type StackRequest } from "./stack.ts";
import { until } from "./until.ts";

const run = promisify(execFile);

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const COMPOSE_FILE = "docker-compose.yml";
const START_DEADLINE_MS = 120_000;

/**
 * The servers of docker-compose.yml, as a project of their own with free ports. Testcontainers' reaper, a container that watches this
 * process, removes them should it end without `stop()`.
 */
export async function dockerStack(request: StackRequest): Promise<Stack> {
  const project = `rehouse-${randomBytes(4).toString("hex")}`;
  const password = randomBytes(12).toString("hex");
  const [source = 0, target = 0, kafka = 0, registry = 0] = await freePorts(4);
  const variables = {
    SOURCE_PORT: String(source),
    TARGET_PORT: String(target),
    KAFKA_PORT: String(kafka),
    REGISTRY_PORT: String(registry),
    POSTGRES_PASSWORD: password,
    POSTGRES_OPTIONS: Object.entries(request.postgres)
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(" "),
  };
  const addresses = {
    sourceUrl: `postgres://postgres:${password}@127.0.0.1:${source}/source`,
    targetUrl: `postgres://postgres:${password}@127.0.0.1:${target}/target`,
    kafkaBrokers: [`127.0.0.1:${kafka}`],
    registryUrl: `http://127.0.0.1:${registry}/apis/ccompat/v7`,
  };
  const answers: Record<ServerName, () => Promise<boolean>> = {
    source: () => postgresAnswers(addresses.sourceUrl),
    target: () => postgresAnswers(addresses.targetUrl),
    kafka: () => kafkaAnswers(addresses.kafkaBrokers),
    registry: () => registryAnswers(addresses.registryUrl),
  };
  const answering = (name: ServerName) => until(answers[name], { deadlineMs: START_DEADLINE_MS, what: `${name} to answer` });

  request.log("starting the servers with Docker Compose");
  const started = await new DockerComposeEnvironment(ROOT, COMPOSE_FILE)
    .withProjectName(project)
    .withEnvironment(variables)
    .withStartupTimeout(START_DEADLINE_MS)
    .up();
  const stop = async () => {
    await started.down({ timeout: 0, removeVolumes: true });
  };
  try {
    await Promise.all([answering("source"), answering("target"), answering("kafka"), answering("registry")]);
  } catch (error) {
    await stop();
    throw error;
  }
  const compose = (...args: string[]) =>
    run("docker", ["compose", "-f", COMPOSE_FILE, "-p", project, ...args], { cwd: ROOT, env: { ...process.env, ...variables } });
  return { provider: "docker", ...addresses, faults: faultsOf(compose, answering), env: () => addressVariables(addresses), stop };
}

function faultsOf(
  compose: (...args: string[]) => Promise<{ stdout: string }>,
  answering: (name: ServerName) => Promise<unknown>,
): Faults {
  const faults: Faults = {
    async kill(name, signal) {
      if (signal === undefined) return void (await compose("stop", "--timeout", "30", name));
      // The signal itself would reach the container's first process alone.
      if (signal === "SIGSTOP") return void (await compose("pause", name));
      if (signal === "SIGCONT") return void (await compose("unpause", name));
      await compose("kill", "--signal", signal, name);
      await until(async () => (await compose("ps", "--quiet", "--status", "exited", name)).stdout.trim() !== "", {
        deadlineMs: 30_000,
        what: `${name} to end after ${signal}`,
      });
    },
    async start(name) {
      await compose("start", name);
      await answering(name);
    },
    async restart(name, options) {
      await faults.kill(name, options?.signal);
      await faults.start(name);
    },
  };
  return faults;
}
