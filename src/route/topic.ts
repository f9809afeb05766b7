/** The compacted topic of a migration's routes, as a channel. */

import { subjectOf } from "../envelope/index.ts";
import type { ChangesProducer, ChangesTopic, SchemaRegistry } from "../ports.ts";
import type { Channel } from "./deliver.ts";
import { encodeKey, encodeRoute, ROUTE_KEY_SCHEMA, ROUTE_SCHEMA } from "./message.ts";
import type { RouteChange } from "./route.ts";

export type TopicDeps = {
  readonly topic: ChangesTopic;
  readonly producer: () => Promise<ChangesProducer>;
  readonly registry: SchemaRegistry;
  readonly replicationFactor: number | undefined;
};

/** A switch is rare: one partition holds all routes of a migration, in one order. */
const PARTITION = 0;

type Open = { readonly producer: ChangesProducer; readonly keyId: number; readonly valueId: number };

/** The topic is made with the first route that it is told. */
export function topicChannel(deps: TopicDeps): Channel {
  let open: Open | undefined;
  const close = async () => {
    const was = open;
    open = undefined;
    await was?.producer.close();
  };
  return {
    name: "topic",
    parallel: 1,
    async tell(change) {
      open ??= await opened(deps);
      try {
        await open.producer.publish([messageOf(change, open)]);
      } catch (error) {
        await close();
        throw error;
      }
    },
    close,
  };
}

async function opened({ topic, producer, registry, replicationFactor }: TopicDeps): Promise<Open> {
  await topic.ensure({ partitions: 1, replicationFactor, retentionMs: undefined, isCompacted: true });
  const [keyId, valueId] = await Promise.all(
    [ROUTE_KEY_SCHEMA, ROUTE_SCHEMA].map(({ fullName, text }) => registry.register(subjectOf(topic.name, fullName), text)),
  );
  return { producer: await producer(), keyId: keyId ?? 0, valueId: valueId ?? 0 };
}

function messageOf(change: RouteChange, { keyId, valueId }: Open) {
  return { partition: PARTITION, key: encodeKey(keyId, change), value: encodeRoute(valueId, change), headers: {} };
}
