import { Kafka, logLevel } from "kafkajs";
import { waitUntil } from "./wait.ts";

/** What the bench asks the broker: whether a group reads. */
export class Broker implements AsyncDisposable {
  readonly #admin: ReturnType<Kafka["admin"]>;

  private constructor(admin: ReturnType<Kafka["admin"]>) {
    this.#admin = admin;
  }

  static async connect(brokers: string[]): Promise<Broker> {
    const admin = new Kafka({ clientId: "bench", brokers, logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    return new Broker(admin);
  }

  /** Resolves when the group has its members and each has its partitions. */
  async groupReads(group: string, deadlineMs: number): Promise<void> {
    await waitUntil(
      async () => {
        const { groups } = await this.#admin.describeGroups([group]);
        return groups[0]?.state === "Stable" && groups[0].members.length > 0;
      },
      { deadlineMs, what: `the group ${group} to read`, everyMs: 20 },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#admin.disconnect();
  }
}
