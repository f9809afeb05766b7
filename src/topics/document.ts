/** What `rehouse topics --json` prints. */

export type TopicPartition = {
  partition: number;
  /** The first offset that is still there, and the next one to be written: as text, since they have 64 bits. */
  low: string;
  high: string;
};

export type TopicSchema = { subject: string; id: number; version: number };

export type Topic = {
  topic: string;
  /** `changes`: from the source. `routes`: where tenants live. `reverse`: what goes home from the target after a switch. */
  kind: "changes" | "routes" | "reverse";
  what: string;
  /** Whether Kafka has it: `run` makes the changes topic, the first switch the others. */
  exists: boolean;
  partitions: TopicPartition[];
  schemas: TopicSchema[];
};

export type TopicsDocument = {
  formatVersion: 1;
  migration: string;
  brokers: string[];
  registry: string;
  topics: Topic[];
  subscribe: {
    /** A command line that prints the changes. */
    kcat: string;
    /** Of a Java consumer or a Kafka Connect sink; names of the environment stand for secrets. */
    properties: Record<string, string>;
  };
};
