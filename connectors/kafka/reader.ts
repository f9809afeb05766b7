import type { Kafka } from "kafkajs";
import type { ChangesReader } from "../../src/ports.ts";
import { together } from "../../src/together.ts";
import { kafkaFailure } from "./client.ts";
import { createCluster } from "./cluster.ts";
import { Fetcher, type FetcherOptions } from "./fetcher.ts";
import { Group } from "./group.ts";

/** Reads the partitions that the consumer group `group` gives to this process. */
export function createGroupReader(kafka: Kafka, group: string, options: FetcherOptions): ChangesReader {
  const fetcher = new Fetcher(createCluster(kafka), options);
  const members = new Group(kafka, options.topic, group);
  return {
    ...handsOn(fetcher),
    committed: (partition, offset) => members.committed(partition, offset),
    run: async (on, signal) => {
      const assigned = (partitions: readonly number[]) => {
        fetcher.assign(partitions);
        on.assigned(partitions);
      };
      try {
        await together([(ended) => fetcher.run(on, ended), (ended) => members.run(assigned, ended)], signal);
      } catch (error) {
        if (!signal.aborted) throw kafkaFailure(error, options.where);
      }
    },
  };
}

/** Reads one partition, whoever else reads it. */
export function createPartitionReader(kafka: Kafka, partition: number, options: FetcherOptions): ChangesReader {
  const fetcher = new Fetcher(createCluster(kafka), options);
  fetcher.assign([partition]);
  return {
    ...handsOn(fetcher),
    committed: () => undefined,
    run: (on, signal) => {
      on.assigned([partition]);
      return fetcher.run(on, signal);
    },
  };
}

function handsOn(fetcher: Fetcher): Pick<ChangesReader, "seek" | "pause" | "resume"> {
  return {
    seek: (partition, offset) => fetcher.seek(partition, offset),
    pause: (partition) => fetcher.pause(partition),
    resume: (partition) => fetcher.resume(partition),
  };
}
