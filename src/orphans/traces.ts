/** What carries the migration's name in its two databases, in Kafka and in the registry. */

import { readSlot, type SlotState, slotName } from "../capture/index.ts";
import { text } from "../catalog/fields.ts";
import { hasBegun } from "../control/begin.ts";
import { readWatchers, type Watcher } from "../expand/index.ts";
import { type FenceTraces, readFenceTraces } from "../fence/index.ts";
import { mirrorName } from "../model/mirror.ts";
import type { Database } from "../ports.ts";
import type { Systems } from "../systems.ts";

/** One of the two databases, with what has its place there. */
export type Side = {
  readonly name: "source" | "target";
  readonly database: Database;
  /** Its slot, publication and fence are here: the migration's at the source, the mirror's at the target. */
  readonly feed: string;
  /** Its state tables are here: the mirror's at the source, the migration's at the target. */
  readonly stateOf: string;
};

export function sidesOf(
  migration: string,
  { source, target }: Pick<Systems, "source" | "target">,
): { source: Side; target: Side } {
  const mirror = mirrorName(migration);
  return {
    source: { name: "source", database: source, feed: migration, stateOf: mirror },
    target: { name: "target", database: target, feed: mirror, stateOf: migration },
  };
}

export type StateTraces = {
  readonly state: string;
  /** Whether the slot's making has come to its end. */
  readonly hasSlot: boolean;
  /** Tenant → phase. */
  readonly tenants: ReadonlyMap<string, string>;
};

export type Traces = {
  /** Undefined: it has not begun, or its state is gone. */
  readonly state: StateTraces | undefined;
  /** Of this database only. */
  readonly slot: SlotState | undefined;
  readonly hasPublication: boolean;
  readonly fence: FenceTraces;
  /** Triggers that note foreign writes. */
  readonly watchers: readonly Watcher[];
};

export async function readTraces({ database, feed, stateOf }: Side): Promise<Traces> {
  const [state, slot, publication, fence, watchers] = await Promise.all([
    readState(database, stateOf),
    readSlot(database, slotName(feed)),
    database.query("SELECT FROM pg_catalog.pg_publication WHERE pubname = $1", [slotName(feed)]),
    readFenceTraces({ database, migration: feed }),
    readWatchers(database, stateOf),
  ]);
  return {
    state,
    slot: slot?.isHere === true ? slot : undefined,
    hasPublication: publication.length > 0,
    fence,
    watchers,
  };
}

async function readState(database: Database, migration: string): Promise<StateTraces | undefined> {
  if (!(await hasBegun(database, migration))) return undefined;
  const [row] = await database.query("SELECT state, slot_snapshot IS NOT NULL AS slot FROM rehouse.migration WHERE name = $1", [
    migration,
  ]);
  const tenants = await database.query("SELECT tenant, phase FROM rehouse.tenant WHERE migration = $1", [migration]);
  if (row === undefined) return undefined;
  return {
    state: text(row, "state"),
    hasSlot: row["slot"] === "t",
    tenants: new Map(tenants.map((each) => [text(each, "tenant"), text(each, "phase")])),
  };
}

/** Of the topics and groups of both feeds, those that are there. */
export type KafkaTraces = {
  readonly topics: readonly string[];
  /** Name → members. */
  readonly groups: ReadonlyMap<string, number>;
};

export async function readKafkaTraces({ systems, mirror }: { systems: Systems; mirror: Systems }): Promise<KafkaTraces> {
  const [topics, groups] = await Promise.all([
    Promise.all(
      [systems.topic, systems.routes.topic, mirror.topic].map(async (topic) => ((await topic.exists()) ? [topic.name] : [])),
    ),
    Promise.all(
      [systems.group, mirror.group].map(async (group): Promise<[string, number][]> => {
        const members = await group.members();
        return members === undefined ? [] : [[group.name, members]];
      }),
    ),
  ]);
  return { topics: topics.flat(), groups: new Map(groups.flat()) };
}

/** Subjects of the topics of both feeds. */
export async function readSubjects({ systems, mirror }: { systems: Systems; mirror: Systems }): Promise<string[]> {
  const names = [systems.topic, systems.routes.topic, mirror.topic].map(({ name }) => name);
  return (await Promise.all(names.map((name) => systems.registry.subjects(`${name}-`)))).flat();
}
