import type { DoctorReport } from "../cli/documents.ts";
import type { Engine } from "../cli/engine.ts";
import type { Readiness } from "../history/index.ts";
import type { Operations } from "./operations.ts";
import type { Snapshots } from "./snapshot.ts";

/** What routes work with. */
export type Around = {
  readonly migration: string;
  readonly engine: Engine;
  readonly snapshots: Snapshots;
  readonly operations: Operations;
  /** Answers of a moment ago serve all who ask meanwhile. */
  readonly readiness: () => Promise<Readiness>;
  readonly doctor: () => Promise<DoctorReport>;
  /** Where the rows of contracted tenants are kept; undefined: `serve` was not told. */
  readonly archive: string | undefined;
};
