/** What of the traces is an orphan. Pure. */

import { slotName } from "../capture/index.ts";
import { changesTopicName } from "../envelope/index.ts";
import { tableText } from "../model/mapping.ts";
import { mirrorName } from "../model/mirror.ts";
import type { KafkaTraces, Side, Traces } from "./traces.ts";

export type OrphanKind = "slot" | "publication" | "fence" | "watch" | "mirror" | "topic" | "group" | "subject";

/** `place`: the database, the broker or the registry; `name`: of the thing, with its kind, for people. */
export type Orphan = {
  readonly kind: OrphanKind;
  readonly place: string;
  readonly name: string;
  readonly holdsBytes?: number | undefined;
};

/** What could be asked; undefined: it did not answer, and nothing is claimed of what depends on it. */
export type Seen = {
  readonly source: Traces | undefined;
  readonly target: Traces | undefined;
  readonly kafka: KafkaTraces | undefined;
  readonly subjects: readonly string[] | undefined;
};

export type Places = { readonly source: Side; readonly target: Side; readonly kafka: string; readonly registry: string };

export function findOrphans(places: Places, seen: Seen): Orphan[] {
  const migration = places.source.feed;
  const { source, target } = seen;
  // Whether a state knows the feed; undefined: nobody can say.
  const forward = target === undefined ? undefined : target.state !== undefined;
  const reverse = forward === true && source !== undefined ? source.state !== undefined : forward === false ? false : undefined;
  return [
    ...(source === undefined ? [] : ofSide(places.source, source, forward)),
    ...(target === undefined ? [] : ofSide(places.target, target, reverse)),
    ...(source === undefined ? [] : ofFence(places.source, source, target, new Set())),
    // Who has left the old home for good has no fence at the new one.
    ...(target === undefined ? [] : ofFence(places.target, target, target, new Set(["contracted"]))),
    ...(source?.state !== undefined && forward === false
      ? [{ kind: "mirror" as const, place: placeOf(places.source), name: `the state of the feed home ${mirrorName(migration)}` }]
      : []),
    ...(target !== undefined && forward === false
      ? target.watchers.map(({ table, name }) => ({
          kind: "watch" as const,
          place: placeOf(places.target),
          name: `trigger ${name} on ${tableText(table)}`,
        }))
      : []),
    ...ofServices(places, seen, { forward, reverse }),
  ];
}

export function placeOf({ name, database }: Side): string {
  return `${name} ${database.place}`;
}

function ofSide(side: Side, { slot, hasPublication }: Traces, isKnown: boolean | undefined): Orphan[] {
  if (isKnown !== false) return [];
  const place = placeOf(side);
  const name = slotName(side.feed);
  return [
    ...(slot === undefined
      ? []
      : [{ kind: "slot" as const, place, name: `replication slot ${name}`, holdsBytes: slot.retainedBytes }]),
    ...(hasPublication ? [{ kind: "publication" as const, place, name: `publication ${name}` }] : []),
  ];
}

function ofFence(side: Side, { fence }: Traces, target: Traces | undefined, over: ReadonlySet<string>): Orphan[] {
  const orphan = (name: string): Orphan => ({ kind: "fence", place: placeOf(side), name });
  const tenants = target === undefined ? undefined : (target.state?.tenants ?? new Map<string, string>());
  const isOrphan = (tenant: string) => {
    const phase = tenants?.get(tenant);
    return tenants !== undefined && (phase === undefined || over.has(phase));
  };
  return [
    ...fence.rows
      .filter(({ tenant }) => isOrphan(tenant))
      .map(({ tenant, state }) => orphan(`the fence of tenant ${tenant} (${state})`)),
    ...fence.strayTriggers.map(({ table, name }) => orphan(`trigger ${name} on ${tableText(table)}`)),
    ...fence.strayFunctions.map((name) => orphan(`function ${name}`)),
  ];
}

function ofServices(
  { kafka: kafkaPlace, registry, source }: Places,
  { kafka, subjects }: Seen,
  { forward, reverse }: { readonly forward: boolean | undefined; readonly reverse: boolean | undefined },
): Orphan[] {
  const isReverse = (name: string) => name.startsWith(groupName(mirrorName(source.feed)));
  const isOrphan = (name: string) => (isReverse(name) ? reverse : forward) === false;
  return [
    ...(kafka?.topics ?? [])
      .filter(isOrphan)
      .map((name): Orphan => ({ kind: "topic", place: kafkaPlace, name: `topic ${name}` })),
    ...[...(kafka?.groups ?? [])]
      .filter(([name]) => isOrphan(name))
      .map(
        ([name, members]): Orphan => ({ kind: "group", place: kafkaPlace, name: `consumer group ${name} (${members} members)` }),
      ),
    ...(subjects ?? []).filter(isOrphan).map((name): Orphan => ({ kind: "subject", place: registry, name: `subject ${name}` })),
  ];
}

/** The consumer group of a feed's main lanes. */
export function groupName(feed: string): string {
  return changesTopicName(feed).replace(/\.changes$/, "");
}
