import type { RehouseError } from "../errors.ts";
import type { ForeignWritesPolicy } from "../file/index.ts";
import type { Logger } from "../log.ts";
import type { Mapping } from "../model/mapping.ts";
import type { ChangesReader, ChangesTopic, Database, SchemaRegistry } from "../ports.ts";
import type { Pace } from "../throttle/index.ts";
import type { Span } from "../traces/index.ts";
import type { Lane } from "./lane.ts";
import type { LaneName } from "./membership.ts";

export type ApplyDeps = {
  readonly migration: string;
  readonly mapping: Mapping;
  /** Those whom the mapping knows, where others may come: a lane with such a member waits, until he is here or another mapping is. */
  readonly units?: ReadonlySet<string>;
  readonly source: Database;
  readonly target: Database;
  readonly topic: ChangesTopic;
  readonly registry: SchemaRegistry;
  /** Reads the partitions that the migration's consumer group gives to this process. */
  readonly mainReader: () => ChangesReader;
  /** Reads one partition for one lane, whatever the group does. */
  readonly lateReader: (name: LaneName) => ChangesReader;
  readonly foreignWrites: ForeignWritesPolicy;
  readonly paused: () => boolean;
  /** How much of the time a lane works; full speed where it is left out. */
  readonly pace?: Pace;
  /** What a lane waits out; undefined when it goes on. */
  readonly report: (error: RehouseError | undefined, lane: string) => void;
  readonly log: Logger;
  /** Left out: nobody has asked for traces. */
  readonly trace?: ((span: Span) => void) | undefined;
};

/** A lane that reads with `reader`, which may be shared by the lanes of several partitions. */
export type MakeLane = (name: LaneName, reader: ChangesReader) => Lane;
