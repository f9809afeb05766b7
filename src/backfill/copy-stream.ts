import type { Readable, Writable } from "node:stream";
import { ConnectionLost, ServerError } from "../ports.ts";

const SQLSTATE = /^(?:\d\d|F0|HV|P0|XX)[0-9A-Z]{3}$/;

/**
 * A stream that was given up may still report how its COPY ended: cancelled, or its connection terminated. Nobody listens by then, and an
 * error event that nobody hears ends the process.
 */
export function heard<T extends Readable | Writable>(stream: T): T {
  stream.on("error", () => undefined);
  return stream;
}

/** A COPY stream may fail with the driver's own error, which has the server's fields on it: here it becomes one of the port's two. */
export async function copied<T>(copy: Promise<T>): Promise<T> {
  try {
    return await copy;
  } catch (error) {
    throw portError(error);
  }
}

function portError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof ServerError || error instanceof ConnectionLost || error instanceof RangeError)
    return error;
  const field = (name: string): string | undefined => {
    const value: unknown = Reflect.get(error, name);
    return typeof value === "string" ? value : undefined;
  };
  const sqlstate = field("code");
  if (sqlstate === undefined || !SQLSTATE.test(sqlstate)) return new ConnectionLost(error.message, { cause: error });
  const table = field("table");
  return new ServerError(error.message, {
    sqlstate,
    detail: field("detail"),
    hint: field("hint"),
    constraint: field("constraint"),
    table: table === undefined ? undefined : `${field("schema") ?? ""}.${table}`,
    cause: error,
  });
}
