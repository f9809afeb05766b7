import { z } from "zod";
import { duration } from "./schema-duration.ts";

const PACE = "a number from 0 to 1";
const POSITIVE = "a number above 0";
const SHARE = "a number above 0, at most 1";
const HOURS = "hours such as 08:00-18:00";
const TIMEZONE = "a time zone such as Europe/Berlin or UTC";
const LIMIT = "off, or a map with slow, pause";
const HTTP_URL = "an http(s) URL";
const CHUNK_TIME = "a duration from 50ms to 60s, such as 500ms";

const pace = (description: string) =>
  z
    .number(PACE)
    .min(0, PACE)
    .max(1, PACE)
    .meta({ description, examples: [0.5] });

/** Off, or where it slows and where it pauses. */
function limit<T extends z.ZodType>(value: T, description: string, example: unknown) {
  return z
    .union([z.literal("off"), z.strictObject({ slow: value.optional(), pause: value.optional() }, LIMIT)], LIMIT)
    .optional()
    .meta({ description, examples: [example] });
}

const count = z.number(POSITIVE).positive(POSITIVE);
const share = z.number(SHARE).positive(SHARE).max(1, SHARE);
const time = duration("A time.", "10s");

const window = z
  .strictObject(
    {
      days: z
        .array(z.enum(["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "mon, tue, wed, thu, fri, sat or sun"), "a list of days")
        .min(1, "at least one day")
        .optional()
        .meta({ description: "Days on which it begins. Default: all.", examples: [["mon", "tue", "wed", "thu", "fri"]] }),
      hours: z
        .string(HOURS)
        .regex(/^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$/, HOURS)
        .meta({ description: "From and to; the end may be on the next day.", examples: ["08:00-18:00"] }),
      timezone: z
        .string(TIMEZONE)
        .refine(isTimezone, TIMEZONE)
        .optional()
        .meta({ description: "Of the hours. Default UTC.", examples: ["Europe/Berlin"] }),
      pace: pace("The highest pace in that time; 0 stands still."),
    },
    "a map with days, hours, timezone, pace",
  )
  .meta({ title: "Window" });

const query = z.strictObject(
  {
    query: z
      .string("a SQL query")
      .min(1, "a SQL query")
      .meta({
        description: "Asked every 2 seconds. The first column of its first row is the value: a number, or true for 1.",
        examples: ["SELECT count(*) FROM jobs WHERE state = 'waiting'"],
      }),
    on: z.enum(["source", "target"], "source or target").optional().meta({ description: "The side. Default source." }),
    slow: count.optional().meta({ description: "Slows from this value on.", examples: [100] }),
    pause: count
      .optional()
      .meta({ description: "Pauses from this value on. Default 1 where `slow` is left out.", examples: [1000] }),
  },
  "a map with query, on, slow, pause",
);

const http = z.strictObject(
  {
    http: z
      .string(HTTP_URL)
      .refine((text) => URL.canParse(text) && ["http:", "https:"].includes(new URL(text).protocol), HTTP_URL)
      .meta({
        description: "Asked with GET every 2 seconds; while it does not answer with 2xx, the move pauses.",
        examples: ["https://app.internal/health"],
      }),
  },
  "a map with http",
);

const CHECK = "a map with query or http";

export const throttleSchema = z
  .strictObject(
    {
      pace: pace("The highest pace at any time. Default 1.").optional(),
      windows: z
        .array(window, "a list of windows")
        .optional()
        .meta({ description: "Times of the week with a lower pace.", examples: [[{ hours: "08:00-18:00", pace: 0.25 }]] }),
      chunkTime: z
        .string(CHUNK_TIME)
        .regex(/^(\d{1,5}ms|\d{1,2}s)$/, CHUNK_TIME)
        .transform((text) => (text.endsWith("ms") ? Number(text.slice(0, -2)) : Number(text.slice(0, -1)) * 1000))
        .refine((ms) => ms >= 50 && ms <= 60_000, CHUNK_TIME)
        .optional()
        .meta({ description: "How long a chunk of the backfill is to take. Default 500ms.", examples: ["500ms"] }),
      budget: count.optional().meta({
        description:
          "How many backfills at full pace one database server is to bear, over all migrations that have it as source or target. Default 1.",
        examples: [2],
      }),
      latency: limit(count, "Milliseconds of the probe query. Default slow 100, pause 1000.", { slow: 50, pause: 500 }),
      latencyTimes: limit(count, "The same as a multiple of what is usual, while an application works. Default slow 1.5.", {
        slow: 2,
      }),
      connections: limit(share, "Part of max_connections in use. Default slow 0.85, pause 0.95.", { slow: 0.8 }),
      activeConnections: limit(count, "Sessions of others that are in a statement. Default off.", { slow: 16, pause: 64 }),
      lockWaits: limit(count, "Sessions that wait for a lock. Default slow 5, pause 20.", { slow: 3, pause: 10 }),
      replicaLag: limit(time, "How far the slowest standby is behind, in time. Default slow 10s, pause 60s.", {
        slow: "5s",
        pause: "30s",
      }),
      replicaLagMb: limit(count, "The same in MB of WAL. Default slow 256, pause 2048.", { slow: 100 }),
      slotLagMb: limit(count, "MB of WAL that the migration's slot holds back. Default slow 1024.", { slow: 512, pause: 8192 }),
      slotRoomMb: limit(
        count,
        "MB of WAL until the slot is lost (max_slot_wal_keep_size); less is worse. Default slow 1024, pause 256.",
        { slow: 4096 },
      ),
      applyLag: limit(time, "How far apply is behind. Default slow 60s, pause off.", { slow: "30s" }),
      walMbPerSecond: limit(count, "MB of WAL written a second. Default off.", { slow: 50 }),
      checkpointsPerMinute: limit(count, "Checkpoints that were asked for, not timed. Default off.", { slow: 2 }),
      oldestSnapshot: limit(time, "Age of the oldest transaction of others: vacuum is held back for as long. Default slow 2h.", {
        slow: "30m",
      }),
      checks: z
        .array(z.union([query, http], CHECK), `a list of checks: ${CHECK}`)
        .optional()
        .meta({ description: "Signals of one's own.", examples: [[{ query: "SELECT count(*) FROM jobs", slow: 100 }]] }),
    },
    "a map of limits",
  )
  .nullable()
  .optional()
  .meta({
    title: "Throttle",
    description: "When the move slows down or pauses by itself, and when it may not run at full speed. Each limit is optional.",
    examples: [{ windows: [{ hours: "08:00-18:00", timezone: "Europe/Berlin", pace: 0.25 }] }],
  });

export type ThrottleInput = NonNullable<z.output<typeof throttleSchema>>;

function isTimezone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}
