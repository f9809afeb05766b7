/** The composition root: the one place that knows both the engine and the connectors, and wires them for one migration file. */

import type { Kafka } from "kafkajs";
import { createKafka } from "../connectors/kafka/client.ts";
import { createChangesProducer } from "../connectors/kafka/producer.ts";
import { createGroupReader, createPartitionReader } from "../connectors/kafka/reader.ts";
import { createTailReader } from "../connectors/kafka/tail.ts";
import { createChangesTopic } from "../connectors/kafka/topic.ts";
import { createDatabase, type DatabaseAddress } from "../connectors/postgres/database.ts";
import { createReplicationStream, createSlotMaker } from "../connectors/postgres/replication.ts";
import { createSchemaRegistry } from "../connectors/registry/registry.ts";
import { slotName } from "./capture/index.ts";
import type { Engine, EngineContext } from "./cli/engine.ts";
import { MigrationEngine } from "./engine.ts";
import { changesTopicName } from "./envelope/index.ts";
import type { MigrationFile, ServerAddress } from "./file/index.ts";
import { packageVersion, stateSql } from "./package.ts";
import { routesTopicName } from "./route/index.ts";
import type { Systems } from "./systems.ts";

export async function createEngine(file: MigrationFile, context: EngineContext): Promise<Engine & AsyncDisposable> {
  return new MigrationEngine({
    file,
    context,
    systems: connectSystems(file, context),
    stateSql: stateSql(),
    version: packageVersion(),
  });
}

/** Nothing is connected before it is used; everything that was is closed by `close`. */
function connectSystems(file: MigrationFile, { log }: EngineContext): Systems {
  const source = createDatabase({ ...address(file.source, file.source.url), applicationName: `rehouse ${file.name}` });
  const target = createDatabase({ ...address(file.target, file.target.url), applicationName: `rehouse ${file.name}` });
  const kafkaPlace = file.kafka.brokers.join(", ");
  let client: Kafka | undefined;
  const kafka = () => {
    client ??= createKafka(file.kafka, `rehouse-${file.name}`, log);
    return client;
  };
  const name = changesTopicName(file.name);
  const topic = createChangesTopic(kafka(), name, kafkaPlace);
  const registry = createSchemaRegistry(file.registry);
  const slot = slotName(file.name);
  const replication = address(file.source, file.source.replicationUrl);
  const reading = { topic: name, where: kafkaPlace };
  return {
    source,
    target,
    topic,
    registry,
    slots: createSlotMaker(replication, { failover: file.source.failoverSlot }),
    stream: () => createReplicationStream({ ...replication, slot, publication: slot }),
    tail: createTailReader(kafka(), topic, kafkaPlace),
    producer: () => createChangesProducer(kafka(), name, kafkaPlace),
    routes: {
      topic: createChangesTopic(kafka(), routesTopicName(file.name), kafkaPlace),
      producer: () => createChangesProducer(kafka(), routesTopicName(file.name), kafkaPlace),
    },
    mainReader: () => createGroupReader(kafka(), name.replace(/\.changes$/, ""), reading),
    lateReader: ({ partition }) => createPartitionReader(kafka(), partition, reading),
    close: async () => {
      await Promise.all([source.close(), target.close()]);
    },
  };
}

function address(server: ServerAddress, url: string): DatabaseAddress {
  return { url, ...(server.tls === undefined ? {} : { tls: server.tls }) };
}
