import type { Kafka } from "kafkajs";
import { RehouseError } from "../../src/errors.ts";
import type { Position } from "../../src/model/position.ts";
import type { ChangesTopic, TailReader } from "../../src/ports.ts";
import { createCluster } from "./cluster.ts";
import { Fetcher } from "./fetcher.ts";

/** A fetch takes milliseconds, a change of leader some seconds. */
const DEADLINE_MS = 60_000;

type Tail = { readonly position: Position; readonly offset: bigint };

/** Reads the last message of each partition. Nobody else writes to the topic meanwhile, so its end stands still. */
export function createTailReader(kafka: Kafka, topic: ChangesTopic, where: string): TailReader {
  return {
    async last() {
      const ends = await topic.offsets();
      const tails = new Map<number, Tail | undefined>(ends.map(({ partition }) => [partition, undefined]));
      const wanted = ends.filter(({ low, high }) => high > low).map(({ partition, high }) => ({ partition, offset: high - 1n }));
      if (wanted.length === 0) return tails;
      for (const [partition, tail] of await readLast(new Fetcher(createCluster(kafka), { topic: topic.name, where }), wanted))
        tails.set(partition, tail);
      return tails;
    },
  };
}

async function readLast(
  fetcher: Fetcher,
  wanted: readonly { readonly partition: number; readonly offset: bigint }[],
): Promise<Map<number, Tail>> {
  const tails = new Map<number, Tail>();
  let failure: RehouseError | undefined;
  const done = new AbortController();
  fetcher.assign(wanted.map(({ partition }) => partition));
  for (const { partition, offset } of wanted) fetcher.seek(partition, offset);
  const lost = (partition: number, what: string) => {
    failure = new RehouseError("REHOUSE_SERVER", { what, where: `partition ${partition} of the changes topic` });
    done.abort();
  };
  await fetcher.run(
    {
      receive: (partition, { messages }) => {
        const last = messages.at(-1);
        if (last?.position === undefined) return lost(partition, "the last message is not one that Rehouse wrote");
        tails.set(partition, { position: last.position, offset: BigInt(last.offset) });
        if (tails.size === wanted.length) done.abort();
      },
      outOfRange: (partition) => lost(partition, "the last message was removed while it was looked for"),
    },
    AbortSignal.any([done.signal, AbortSignal.timeout(DEADLINE_MS)]),
  );
  if (failure !== undefined) throw failure;
  if (tails.size === wanted.length) return tails;
  throw new RehouseError("REHOUSE_UNREACHABLE", {
    what: `the last messages of the changes topic did not arrive in ${DEADLINE_MS / 1000} seconds`,
  });
}
