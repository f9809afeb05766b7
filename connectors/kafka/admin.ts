import kafkajs, { type Admin, type Kafka } from "kafkajs";
import { RehouseError } from "../../src/errors.ts";
import { kafkaFailure } from "./client.ts";
import { answered, leave } from "./cluster.ts";

/**
 * An admin connection for the time of `body`; what it fails of is one of the closed list. Not for longer than an answer is waited for: kafkajs may wait
 * without end for one on a connection that it is leaving, and a lane that asks where its topic begins would stand still with it.
 */
export async function withAdmin<T>(
  kafka: Kafka,
  where: string,
  body: (admin: Admin) => Promise<T>,
  withinMs?: number,
): Promise<T> {
  const admin = kafka.admin();
  try {
    return await answered(
      admin.connect().then(() => body(admin)),
      withinMs,
    );
  } catch (error) {
    if (error instanceof kafkajs.KafkaJSProtocolError && error.type === "INVALID_REPLICATION_FACTOR") {
      throw new RehouseError("REHOUSE_SERVER", {
        what: `Kafka cannot keep that many copies of the topic: ${error.message}`,
        where,
        fix: "set kafka.replicationFactor to at most the number of brokers",
        cause: error,
      });
    }
    throw kafkaFailure(error, where);
  } finally {
    await leave(admin);
  }
}
