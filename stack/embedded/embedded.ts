import { randomBytes } from "node:crypto";
import { freePorts } from "../ports.ts";
import { addressVariables, type Faults, type ServerName, type Stack, type StackRequest } from "../stack.ts";
import { withArchive } from "./class-archives.ts";
import { javaServers } from "./downloads.ts";
import { Guard } from "./guard.ts";
import type { JavaServers } from "./java.ts";
import { startKafka } from "./kafka.ts";
import { postgresPrograms, startPostgres } from "./postgres.ts";
import { startRegistry } from "./registry.ts";
import type { Server } from "./server.ts";

/** Real servers as plain processes of this machine: Postgres from an npm package, the broker and the registry on Java. */
export async function embeddedStack(request: StackRequest): Promise<Stack> {
  const java = await javaServers(request.log);
  const guard = await Guard.start();
  try {
    return await startAll(guard, java, request);
  } catch (error) {
    await guard.stop();
    throw error;
  }
}

async function startAll(guard: Guard, java: JavaServers, request: StackRequest): Promise<Stack> {
  const [programs, ports] = await Promise.all([postgresPrograms(guard), freePorts(5)]);
  const [sourcePort = 0, targetPort = 0, port = 0, controllerPort = 0, registryPort = 0] = ports;
  const password = randomBytes(12).toString("hex");
  const settings = request.postgres;
  const began = performance.now();
  const timed = async <T>(name: string, starting: Promise<T>): Promise<T> => {
    const started = await starting;
    request.log(`${name} answers after ${((performance.now() - began) / 1000).toFixed(1)} s`);
    return started;
  };
  const [source, target, kafka, registry] = await Promise.all([
    timed("source", startPostgres(guard, programs, { name: "source", port: sourcePort, password, settings })),
    timed("target", startPostgres(guard, programs, { name: "target", port: targetPort, password, settings })),
    timed("kafka", startKafka(guard, java, { port, controllerPort, jvm: withArchive(java.kafka) })),
    timed("registry", startRegistry(guard, java, { port: registryPort, jvm: withArchive(java.registry) })),
  ]);
  const addresses = { sourceUrl: source.url, targetUrl: target.url, kafkaBrokers: kafka.brokers, registryUrl: registry.url };
  return {
    provider: "embedded",
    ...addresses,
    faults: faultsOf({ source: source.server, target: target.server, kafka: kafka.server, registry: registry.server }),
    env: () => addressVariables(addresses),
    stop: () => guard.stop(),
  };
}

function faultsOf(servers: Record<ServerName, Server>): Faults {
  return {
    kill: (name, signal) => servers[name].kill(signal),
    start: (name) => servers[name].start(),
    async restart(name, options) {
      await servers[name].kill(options?.signal);
      await servers[name].start();
    },
  };
}
