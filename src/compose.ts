/** The composition root: the one place that knows both the engine and the connectors, and wires them for one migration file. */

import type { Kafka } from "kafkajs";
import { createKafka } from "../connectors/kafka/client.ts";
import { createConsumerGroup } from "../connectors/kafka/consumer-group.ts";
import { createChangesProducer } from "../connectors/kafka/producer.ts";
import { createGroupReader, createPartitionReader } from "../connectors/kafka/reader.ts";
import { createTailReader } from "../connectors/kafka/tail.ts";
import { createChangesTopic } from "../connectors/kafka/topic.ts";
import { createDatabase, type DatabaseAddress } from "../connectors/postgres/database.ts";
import { createClientPool } from "../connectors/postgres/pool.ts";
import { createReplicationStream, createSlotMaker } from "../connectors/postgres/replication.ts";
import { createSchemaRegistry } from "../connectors/registry/registry.ts";
import { slotName } from "./capture/index.ts";
import type { Engine, EngineContext } from "./cli/engine.ts";
import { MigrationEngine } from "./engine.ts";
import { changesTopicName } from "./envelope/index.ts";
import { RehouseError } from "./errors.ts";
import type { MigrationFile, ServerAddress } from "./file/index.ts";
import { mirrorName } from "./model/mirror.ts";
import { groupName } from "./orphans/index.ts";
import { packageVersion, stateSql } from "./package.ts";
import type { Database } from "./ports.ts";
import { routesTopicName } from "./route/index.ts";
import type { Elsewhere, Systems } from "./systems.ts";

export async function createEngine(file: MigrationFile, context: EngineContext): Promise<Engine & AsyncDisposable> {
  return new MigrationEngine({
    file,
    context,
    ...connectSystems(file, context),
    elsewhere: elsewhere(context),
    stateSql: stateSql(),
    version: packageVersion(),
  });
}

/** A database by its URL alone. */
export function openDatabase(url: string): Database {
  if (!URL.canParse(url))
    throw new RehouseError("REHOUSE_USAGE", {
      what: "That is not a URL of a database.",
      fix: "postgres://user@host:5432/database",
    });
  return createDatabase({ url, applicationName: "rehouse" });
}

function elsewhere(context: Pick<EngineContext, "log">): Elsewhere {
  return {
    database: (server) => createDatabase({ ...address(server, server.url), applicationName: "rehouse" }),
    pool: (server, connections) =>
      createClientPool({ ...address(server, server.url), applicationName: "rehouse rehearsal's clients" }, connections),
    systems: (file) => connectSystems(file, context),
    engine: createEngine,
  };
}

/** Nothing is connected before it is used; everything that was is closed by `close` of the first. */
export function connectSystems(file: MigrationFile, { log }: Pick<EngineContext, "log">): { systems: Systems; mirror: Systems } {
  const source = createDatabase({ ...address(file.source, file.source.url), applicationName: `rehouse ${file.name}` });
  const target = createDatabase({ ...address(file.target, file.target.url), applicationName: `rehouse ${file.name}` });
  const close = async () => {
    await Promise.all([source.close(), target.close()]);
  };
  const around = { kafka: createKafka(file.kafka, `rehouse-${file.name}`, log), kafkaPlace: file.kafka.brokers.join(", ") };
  const registry = createSchemaRegistry(file.registry);
  const routes = {
    topic: createChangesTopic(around.kafka, routesTopicName(file.name), around.kafkaPlace),
    producer: () => createChangesProducer(around.kafka, routesTopicName(file.name), around.kafkaPlace),
  };
  const shared = { registry, routes, close };
  const from = (server: ServerAddress) => address(server, server.replicationUrl);
  return {
    systems: {
      ...feedSystems(file.name, from(file.source), { ...around, failover: file.source.failoverSlot }),
      ...{ ...shared, source, target },
    },
    mirror: {
      ...feedSystems(mirrorName(file.name), from(file.target), { ...around, failover: false }),
      ...{ ...shared, source: target, target: source },
    },
  };
}

/** What a feed has for itself, named after its migration. */
function feedSystems(
  migration: string,
  replication: DatabaseAddress,
  { kafka, kafkaPlace, failover }: { readonly kafka: Kafka; readonly kafkaPlace: string; readonly failover: boolean },
): Omit<Systems, "source" | "target" | "registry" | "routes" | "close"> {
  const name = changesTopicName(migration);
  const topic = createChangesTopic(kafka, name, kafkaPlace);
  const slot = slotName(migration);
  const reading = { topic: name, where: kafkaPlace };
  return {
    topic,
    group: createConsumerGroup(kafka, groupName(migration), kafkaPlace),
    slots: createSlotMaker(replication, { failover }),
    stream: () => createReplicationStream({ ...replication, slot, publication: slot }),
    tail: createTailReader(kafka, topic, kafkaPlace),
    producer: () => createChangesProducer(kafka, name, kafkaPlace),
    mainReader: () => createGroupReader(kafka, groupName(migration), reading),
    lateReader: ({ partition }) => createPartitionReader(kafka, partition, reading),
  };
}

function address(server: ServerAddress, url: string): DatabaseAddress {
  return { url, ...(server.tls === undefined ? {} : { tls: server.tls }) };
}
