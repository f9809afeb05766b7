import type { ChangesTopic, SchemaRegistry } from "../ports.ts";

/** The topic and the schemas of its records. Idempotent. */
export async function removeTopic(topic: ChangesTopic, registry: SchemaRegistry): Promise<void> {
  await topic.delete();
  for (const subject of await registry.subjects(`${topic.name}-`)) await registry.remove(subject);
}
