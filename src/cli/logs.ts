/** Where the log's lines go: JSON as they are, or in a readable form where stderr is a terminal, between the pictures of a live view. */

import { readRecord } from "../log.ts";
import type { Io } from "./io.ts";
import { oneLine } from "./live/width.ts";
import { type Style, style } from "./style.ts";

export type LogOutput = {
  /** A record of this process, or one that a role's process wrote. */
  write(line: string): void;
  /** Has `show` put the readable lines between its own from now on. What is JSON stays on stderr. */
  beside(show: (line: string) => void): void;
};

export function logOutput(io: Io): LogOutput {
  let show = (line: string) => io.err(`${line}\n`);
  const paint = style(io.logTerminal && !io.env["NO_COLOR"]);
  return {
    write: (line) => (io.logTerminal ? show(readable(line, paint)) : io.err(`${line}\n`)),
    beside(other) {
      // Two terminals, or one of them a file: then neither disturbs the other.
      if (io.terminal) show = other;
    },
  };
}

const IN_THE_LINE = new Set(["level", "time", "migration", "role", "event", "tenant", "msg"]);
const LONGEST_VALUE = 160;

/** Time, level, role, event, tenant, the sentence, and the rest as name=value. What is no record stays as it is. */
export function readable(line: string, { dim, yellow, red }: Pick<Style, "dim" | "yellow" | "red">): string {
  const record = readRecord(line);
  if (record === undefined) return oneLine(line);
  const level = textOf(record["level"]);
  const paint = level === "error" ? red : level === "warn" ? yellow : dim;
  const head = [clock(textOf(record["time"])), level, textOf(record["role"]), textOf(record["event"])];
  const tenant = textOf(record["tenant"]);
  const more = Object.entries(record).flatMap(([name, value]) =>
    IN_THE_LINE.has(name) || value === undefined || value === null ? [] : [`${name}=${short(value)}`],
  );
  return [paint(`${joined(head)}${tenant === "" ? "" : ` tenant ${tenant}`}:`), textOf(record["msg"]), dim(more.join(" "))]
    .filter((part) => part !== "")
    .join(" ");
}

function joined(words: readonly string[]): string {
  return words.filter((word) => word !== "").join(" ");
}

function clock(time: string): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? time : date.toTimeString().slice(0, 8);
}

function textOf(value: unknown): string {
  return value === undefined || value === null ? "" : oneLine(typeof value === "string" ? value : JSON.stringify(value));
}

function short(value: unknown): string {
  const whole = textOf(value);
  const cut = whole.length <= LONGEST_VALUE ? whole : `${whole.slice(0, LONGEST_VALUE - 1)}…`;
  return typeof value === "string" && /[\s"=]/.test(cut) ? JSON.stringify(cut) : cut;
}
