/**
 * kafkajs's own cluster object: connections, TLS, SASL, and who leads which partition. Its public producer does more than that, at a cost
 * that decides how fast capture is (see record-batch.ts), and there is no public way to this part alone. kafkajs has stood still at 2.2
 * since 2023; should it move, {@link createCluster} says so at the first use, and a test before that.
 */

import type { Kafka } from "kafkajs";
import { RehouseError } from "../../src/errors.ts";
import { inTime, settled } from "../../src/in-time.ts";
import { REQUEST_TIMEOUT_MS } from "./client.ts";

/** A request in kafkajs's own shape. What `encode` returns is copied from `buffer`; `buf` only marks it as encoded. */
export type KafkaRequest<T, Decoded = T> = {
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
    encode(): Promise<{ readonly buf: Buffer; readonly buffer: Buffer }>;
  };
  readonly response: { decode(bytes: Buffer): Promise<Decoded>; parse(decoded: Decoded): Promise<T> };
};

/** A broker answers the requests of a connection one after the other. */
export type Connection = { send<T, Decoded>(request: KafkaRequest<T, Decoded>): Promise<T> };

/** Two connections: kafkajs fetches over the second one, and does everything else over the first. */
export type Broker = { readonly connectionPool: Connection & { getConnection(index: 0 | 1): Promise<Connection> } };

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

/** Waits between attempts: enough for a change of leader. Then the role waits, and says what for. */
export const RETRY_AFTER_MS = [50, 100, 200, 500, 1_000, 2_000, 2_000];

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

/** Connects, and learns who leads the partitions of `topic`. */
export async function connect(cluster: Cluster, topic: string): Promise<void> {
  try {
    await answered(cluster.connect());
    await answered(cluster.addTargetTopic(topic));
  } catch (error) {
    await leave(cluster);
    throw error;
  }
}

const FAREWELL_MS = 2_000;

/**
 * kafkajs says farewell only when it has every answer that it is owed, and no longer looks at its own timeouts by then: a broker that is silent would
 * be waited for without end.
 */
export function leave(client: { disconnect(): Promise<void> }): Promise<void> {
  return settled(client.disconnect(), FAREWELL_MS);
}

/** Beyond {@link REQUEST_TIMEOUT_MS}, so that it is kafkajs that says so wherever it does. */
const ANSWERED_WITHIN_MS = REQUEST_TIMEOUT_MS + 5_000;

/**
 * Gives up on an answer that kafkajs waits for on a connection that it is leaving: nobody would ever hear of it. TimedOut: nobody knows what becomes of
 * the request; it may yet be sent.
 */
export function answered<T>(answer: Promise<T>, withinMs = ANSWERED_WITHIN_MS): Promise<T> {
  return inTime(answer, withinMs, "no answer");
}

/** A broker whose connection is gone may come back at another address. */
export function forgetBroker(cluster: Cluster, error: unknown): void {
  if (!(error instanceof Error) || error.name !== "KafkaJSConnectionClosedError") return;
  const host: unknown = Reflect.get(error, "host");
  const port: unknown = Reflect.get(error, "port");
  if (typeof host === "string" && typeof port === "number") cluster.removeBroker({ host, port });
}

/** Asks who leads the partitions now. */
export async function refreshLeaders(cluster: Cluster): Promise<void> {
  try {
    if (!cluster.isConnected()) await answered(cluster.connect());
    await answered(cluster.refreshMetadata());
  } catch {
    // Whatever is attempted next fails for the same reason, and its failure is the one that counts.
  }
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
