import { redact } from "../redact.ts";
import type { ControlOutcome } from "./documents.ts";
import { oneLine } from "./live/width.ts";
import { type Context, EXIT, type ExitCode, printJson } from "./verb.ts";

/** Says what pause, resume, retry, resync or cancel did. */
export function reportControl({ io, json, file }: Context, outcome: ControlOutcome): ExitCode {
  if (json) printJson(io, { formatVersion: 1, migration: file.name, ...outcome });
  else for (const sentence of outcome.did) io.out(`${oneLine(redact(sentence))}\n`);
  return EXIT.done;
}
