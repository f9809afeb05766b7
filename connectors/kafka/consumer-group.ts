import { setTimeout as delay } from "node:timers/promises";
import type { Kafka } from "kafkajs";
import type { ConsumerGroup } from "../../src/ports.ts";
import { withAdmin } from "./admin.ts";

/** A member that was killed stays for as long as its session. */
const LEAVE_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 250;

export function createConsumerGroup(kafka: Kafka, name: string, where: string): ConsumerGroup {
  const members = () =>
    withAdmin(kafka, where, async (admin) => {
      const [group] = (await admin.describeGroups([name])).groups;
      // How a broker speaks of one that it does not know.
      return group === undefined || group.state === "Dead" ? undefined : group.members.length;
    });
  return {
    name,
    members,
    delete: async () => {
      for (const deadline = Date.now() + LEAVE_WITHIN_MS; ; await delay(LOOK_EVERY_MS)) {
        const left = await members();
        if (left === undefined) return true;
        if (left === 0 && (await withAdmin(kafka, where, (admin) => isDeleted(admin, name)))) return true;
        if (Date.now() > deadline) return false;
      }
    },
  };
}

/** False: somebody has joined it at this moment; the next look tells. */
async function isDeleted(admin: Pick<ReturnType<Kafka["admin"]>, "deleteGroups">, name: string): Promise<boolean> {
  try {
    await admin.deleteGroups([name]);
    return true;
  } catch {
    return false;
  }
}
