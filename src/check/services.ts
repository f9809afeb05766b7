/** Whether Kafka and the schema registry answer. */

import { RehouseError } from "../errors.ts";
import type { ChangesTopic, SchemaRegistry } from "../ports.ts";
import { error, type Finding } from "./finding.ts";

export async function checkTopic(topic: ChangesTopic, place: string, begun: boolean): Promise<Finding[]> {
  if (!(await topic.exists()) || begun) return [];
  return [
    error(
      "topic-exists",
      place,
      `the topic ${topic.name} is there, and this migration did not make it`,
      `if nothing needs it: kafka-topics.sh --bootstrap-server ${place.replace("kafka ", "")} --delete --topic ${topic.name};  else give the migration another name`,
    ),
  ];
}

/** An id that may well be unknown: any answer but that it does not know it, or cannot say, is one. */
const ANY_ID = 1;

export async function checkRegistry(registry: SchemaRegistry, place: string): Promise<Finding[]> {
  try {
    await registry.schema(ANY_ID);
    return [];
  } catch (cause) {
    if (!(cause instanceof RehouseError)) throw cause;
    // The registry's own word for an unknown id.
    if (cause.code === "REHOUSE_SERVER" && /\b404\b/.test(cause.message)) return [];
    return [
      error("unreachable", place, cause.message, cause.fix ?? "check that the registry runs and that its address is right"),
    ];
  }
}
