import type { LaneName } from "./apply/index.ts";
import type { EngineContext } from "./cli/engine.ts";
import type { MigrationFile } from "./file/index.ts";
import type {
  ChangesProducer,
  ChangesReader,
  ChangesTopic,
  Database,
  ReplicationStream,
  SchemaRegistry,
  SlotMaker,
  TailReader,
} from "./ports.ts";

/** Every system around one migration or its mirror, as ports. */
export type Systems = {
  readonly source: Database;
  readonly target: Database;
  readonly topic: ChangesTopic;
  readonly registry: SchemaRegistry;
  readonly slots: SlotMaker;
  readonly stream: () => ReplicationStream;
  readonly tail: TailReader;
  readonly producer: () => Promise<ChangesProducer>;
  /** The compacted topic of the routes. */
  readonly routes: { readonly topic: ChangesTopic; readonly producer: () => Promise<ChangesProducer> };
  readonly mainReader: () => ChangesReader;
  readonly lateReader: (name: LaneName) => ChangesReader;
  readonly close: () => Promise<void>;
};

/** What the engine and its roles are made of. */
export type EngineDeps = {
  readonly file: MigrationFile;
  readonly context: EngineContext;
  readonly systems: Systems;
  /** The same databases with source and target exchanged, and what the feed home has for itself. */
  readonly mirror: Systems;
  readonly stateSql: string;
  readonly version: string;
};
