/** The topics of a migration as others may read them: what is in Kafka and in the registry now. */

import type { MigrationFile } from "../file/index.ts";
import type { ChangesTopic, SchemaRegistry } from "../ports.ts";
import { redact } from "../redact.ts";
import type { Systems } from "../systems.ts";
import type { Topic, TopicSchema, TopicsDocument } from "./document.ts";
import { subscribe } from "./subscribe.ts";

export type TopicsDeps = {
  readonly file: Pick<MigrationFile, "name" | "kafka" | "registry">;
  readonly systems: Pick<Systems, "topic" | "routes" | "registry">;
  readonly mirror: Pick<Systems, "topic">;
};

const WHAT: Record<Topic["kind"], string> = {
  changes: "every change of the tenants that move, in Debezium's envelope; a tenant's are in one partition, in commit order",
  routes: "where each tenant lives, since when; compacted, the tenant is the key",
  reverse: "what switched tenants write at the target, on its way home",
};

/** No database is asked. Nothing is made. */
export async function topics({ file, systems, mirror }: TopicsDeps, signal: AbortSignal): Promise<TopicsDocument> {
  const kinds: [Topic["kind"], ChangesTopic][] = [
    ["changes", systems.topic],
    ["routes", systems.routes.topic],
    ["reverse", mirror.topic],
  ];
  const found: Topic[] = [];
  for (const [kind, topic] of kinds) {
    signal.throwIfAborted();
    const exists = await topic.exists();
    const [partitions, schemas] = await Promise.all([exists ? topic.offsets() : [], schemasOf(systems.registry, topic.name)]);
    found.push({
      ...{ topic: topic.name, kind, what: WHAT[kind], exists, schemas },
      partitions: partitions.map(({ partition, low, high }) => ({ partition, low: String(low), high: String(high) })),
    });
  }
  return {
    formatVersion: 1,
    migration: file.name,
    brokers: file.kafka.brokers,
    registry: redact(file.registry.url),
    topics: found,
    subscribe: subscribe({ topic: systems.topic.name, kafka: file.kafka, registry: file.registry }),
  };
}

async function schemasOf(registry: SchemaRegistry, topic: string): Promise<TopicSchema[]> {
  const subjects = (await registry.subjects(`${topic}-`)).toSorted();
  const found: TopicSchema[] = [];
  for (const subject of subjects) {
    const latest = await registry.latest(subject);
    // Taken out of use since the list was made.
    if (latest !== undefined) found.push({ subject, ...latest });
  }
  return found;
}
