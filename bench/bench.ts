import type { Stack } from "../stack/index.ts";
import type { CpuMeter } from "./meters/cpu.ts";
import type { Options } from "./options.ts";
import type { Programs } from "./servers/programs.ts";

/** What every bench works with. */
export type Bench = {
  readonly stack: Stack;
  readonly programs: Programs;
  readonly cpu: CpuMeter;
  readonly options: Options;
  /** The script of the command `rehouse`. */
  readonly entry: string;
  readonly say: (line: string) => void;
};
