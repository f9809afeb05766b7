/**
 * kafkajs's own cluster object: connections, TLS, SASL, and who leads which partition. Its public producer does more than that, at a cost
 * that decides how fast capture is (see record-batch.ts), and there is no public way to this part alone. kafkajs has stood still at 2.2
 * since 2023; should it move, {@link createCluster} says so at the first use, and a test before that.
 */

import type { Kafka } from "kafkajs";
import { RehouseError } from "../../src/errors.ts";

/** A request in kafkajs's own shape. What `encode` returns is copied from `buffer`; `buf` only marks it as encoded. */
export type KafkaRequest<T> = {
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
    encode(): Promise<{ readonly buf: Buffer; readonly buffer: Buffer }>;
  };
  readonly response: { decode(bytes: Buffer): Promise<T>; parse(decoded: T): Promise<T> };
};

export type Broker = { readonly connectionPool: { send<T>(request: KafkaRequest<T>): Promise<T> } };

export type Cluster = {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  isConnected(): boolean;
  addTargetTopic(topic: string): Promise<void>;
  refreshMetadata(): Promise<void>;
  refreshMetadataIfNecessary(): Promise<void>;
  /** Node id → the partitions that it leads. */
  findLeaderForPartitions(topic: string, partitions: readonly number[]): Readonly<Record<string, readonly number[]>>;
  findBroker(of: { readonly nodeId: string }): Promise<Broker>;
  removeBroker(of: { readonly host: string; readonly port: number }): void;
};

const METADATA_MAX_AGE_MS = 300_000;
const FACTORY = "private:Kafka:createCluster";

export function createCluster(kafka: Kafka): Cluster {
  const symbol = Object.getOwnPropertySymbols(kafka).find((own) => own.description === FACTORY);
  const factory: unknown = symbol === undefined ? undefined : Reflect.get(kafka, symbol);
  const cluster: unknown =
    typeof factory === "function" ? factory({ metadataMaxAge: METADATA_MAX_AGE_MS, allowAutoTopicCreation: false }) : undefined;
  if (!isCluster(cluster))
    throw new RehouseError("REHOUSE_INTERNAL", {
      what: "this version of kafkajs has another cluster than Rehouse knows",
      fix: "install kafkajs 2.2",
    });
  return cluster;
}

function isCluster(value: unknown): value is Cluster {
  const methods = [
    "connect",
    "disconnect",
    "isConnected",
    "addTargetTopic",
    "refreshMetadata",
    "refreshMetadataIfNecessary",
    "findLeaderForPartitions",
    "findBroker",
    "removeBroker",
  ];
  return typeof value === "object" && value !== null && methods.every((name) => typeof Reflect.get(value, name) === "function");
}
