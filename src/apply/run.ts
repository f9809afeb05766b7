import type { ChangesTopic } from "../ports.ts";
import { FULL_PACE } from "../throttle/index.ts";
import { together } from "../together.ts";
import type { ApplyDeps, MakeLane } from "./deps.ts";
import { Lane } from "./lane.ts";
import { LaneTrace } from "./lane-trace.ts";
import { runLateLanes } from "./late-lanes.ts";
import { LowOffsets } from "./low-offsets.ts";
import { runMainLanes } from "./main-lanes.ts";
import { refetchFrom, untilVisible } from "./refetch.ts";
import { MessageSchemas } from "./schemas.ts";
import { openSession } from "./session.ts";
import { Writers } from "./writers.ts";

/** Runs until `signal` aborts. Restartable: everything that matters is in the target. Nothing of it is left when it settles. */
export async function runApply(deps: ApplyDeps, signal: AbortSignal): Promise<void> {
  const makeLane = await laneMaker(deps);
  await together([(ended) => runMainLanes(deps, makeLane, ended), (ended) => runLateLanes(deps, makeLane, ended)], signal);
}

async function laneMaker(deps: ApplyDeps): Promise<MakeLane> {
  const { source, target } = deps;
  const writers = await Writers.load(deps.mapping, source, target);
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
      visible: (xids) => untilVisible(source, xids),
      feed: {
        seek: (offset) => reader.seek(name.partition, offset),
        pause: () => reader.pause(name.partition),
        resume: () => reader.resume(name.partition),
        committed: (offset) => reader.committed(name.partition, offset),
        low: () => low.of(name.partition),
        range: () => rangeOf(deps.topic, name.partition),
      },
      ...(deps.units === undefined ? {} : { units: deps.units }),
      stopsAtForeignWrites: deps.foreignWrites === "stop",
      paused: deps.paused,
      pace: deps.pace ?? FULL_PACE,
      report: (error) => deps.report(error, `${name.partition}/${name.lane}`),
      log: deps.log.child({ lane: name.lane, partition: name.partition }),
      ...(deps.trace === undefined ? {} : { trace: new LaneTrace(deps.trace, name, schemas) }),
    });
}

async function rangeOf(topic: ChangesTopic, partition: number): Promise<{ low: bigint; high: bigint }> {
  const offsets = await topic.offsets();
  return offsets.find((entry) => entry.partition === partition) ?? { low: 0n, high: 0n };
}
