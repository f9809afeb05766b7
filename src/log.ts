import { pino } from "pino";

/** The logger's shape that the engine uses; structured fields first, then a sentence. */
export type Logger = Pick<pino.Logger, "debug" | "info" | "warn" | "error" | "child">;

/** JSON lines on stderr, so that stdout stays the command's own. `level` from REHOUSE_LOG, else warn. */
export function createLogger(level = process.env["REHOUSE_LOG"] ?? "warn"): pino.Logger {
  return pino({ level, base: null }, pino.destination({ dest: 2, sync: true }));
}
