import type { RehouseError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Mapping } from "../model/mapping.ts";
import type { ChangesReader, ChangesTopic, Database, SchemaRegistry } from "../ports.ts";
import { Lane } from "./lane.ts";
import { runLateLanes } from "./late-lanes.ts";
import { LowOffsets } from "./low-offsets.ts";
import { runMainLanes } from "./main-lanes.ts";
import type { LaneName } from "./membership.ts";
import { refetchFrom } from "./refetch.ts";
import { MessageSchemas } from "./schemas.ts";
import { openSession } from "./session.ts";
import { Writers } from "./writers.ts";

export type ApplyDeps = {
  readonly migration: string;
  readonly mapping: Mapping;
  readonly source: Database;
  readonly target: Database;
  readonly topic: ChangesTopic;
  readonly registry: SchemaRegistry;
  /** Reads the partitions that the migration's consumer group gives to this process. */
  readonly mainReader: () => ChangesReader;
  /** Reads one partition for one lane, whatever the group does. */
  readonly lateReader: (name: LaneName) => ChangesReader;
  readonly paused: () => boolean;
  /** What a lane waits out; undefined when it goes on. */
  readonly report: (error: RehouseError | undefined, lane: string) => void;
  readonly log: Logger;
};

/** A lane that reads with `reader`, which may be shared by the lanes of several partitions. */
export type MakeLane = (name: LaneName, reader: ChangesReader) => Lane;

/** Runs until `signal` aborts. Restartable: everything that matters is in the target. Nothing of it is left when it settles. */
export async function runApply(deps: ApplyDeps, signal: AbortSignal): Promise<void> {
  const makeLane = await laneMaker(deps);
  const stop = new AbortController();
  const ended = AbortSignal.any([signal, stop.signal]);
  const both = [runMainLanes(deps, makeLane, ended), runLateLanes(deps, makeLane, ended)];
  try {
    await Promise.all(both);
  } finally {
    stop.abort();
    await Promise.allSettled(both);
  }
}

async function laneMaker(deps: ApplyDeps): Promise<MakeLane> {
  const { source, target } = deps;
  const writers = await Writers.load(deps.mapping, source);
  const schemas = new MessageSchemas(deps.registry, deps.mapping);
  const low = new LowOffsets(deps.topic);
  const refetch = refetchFrom(source);
  return (name, reader) =>
    new Lane({
      name,
      target,
      session: () => openSession(target, name),
      schemas,
      writers,
      refetch,
      feed: {
        seek: (offset) => reader.seek(name.partition, offset),
        pause: () => reader.pause(name.partition),
        resume: () => reader.resume(name.partition),
        committed: (offset) => reader.committed(name.partition, offset),
        low: () => low.of(name.partition),
      },
      paused: deps.paused,
      report: (error) => deps.report(error, `${name.partition}/${name.lane}`),
      log: deps.log.child({ lane: name.lane, partition: name.partition }),
    });
}
