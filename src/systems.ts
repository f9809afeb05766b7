import type { LaneName } from "./apply/index.ts";
import type { Engine, EngineContext } from "./cli/engine.ts";
import type { MigrationFile, ServerAddress } from "./file/index.ts";
import type {
  ChangesProducer,
  ChangesReader,
  ChangesTopic,
  ConsumerGroup,
  Database,
  ReplicationStream,
  SchemaRegistry,
  SlotMaker,
  TailReader,
} from "./ports.ts";
import type { RouterClient, RouterPool } from "./router/index.ts";

/** Every system around one migration or its mirror, as ports. */
export type Systems = {
  readonly source: Database;
  readonly target: Database;
  readonly topic: ChangesTopic;
  /** Of the main lanes. */
  readonly group: ConsumerGroup;
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

/** An application's connections to one database. */
export type ClientPool = RouterPool<RouterClient> & { close(): Promise<void> };

/** What is opened beside a migration's own systems: a copy of it, with an engine of its own. */
export type Elsewhere = {
  readonly database: (server: ServerAddress) => Database;
  readonly pool: (server: ServerAddress, connections: number) => ClientPool;
  readonly systems: (file: MigrationFile) => { readonly systems: Systems; readonly mirror: Systems };
  readonly engine: (file: MigrationFile, context: EngineContext) => Promise<Engine & AsyncDisposable>;
};

/** What the engine and its roles are made of. */
export type EngineDeps = {
  readonly file: MigrationFile;
  readonly context: EngineContext;
  readonly systems: Systems;
  /** The same databases with source and target exchanged, and what the feed home has for itself. */
  readonly mirror: Systems;
  readonly elsewhere: Elsewhere;
  readonly stateSql: string;
  readonly version: string;
};
