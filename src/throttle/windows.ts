/** Times of the week in which a lower pace holds; one whose end is not after its beginning goes on past midnight, as of the day of its beginning. Pure. */

import type { ThrottleWindow } from "../file/index.ts";

const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;
type Day = (typeof DAYS)[number];

/** The window that holds now; of several the slowest. */
export function windowAt(windows: readonly ThrottleWindow[], now: Date): ThrottleWindow | undefined {
  return windows.filter((window) => isIn(window, now)).toSorted((a, b) => a.pace - b.pace)[0];
}

function isIn({ days, fromMinute, toMinute, timezone }: ThrottleWindow, now: Date): boolean {
  const { day, minute } = localTime(now, timezone);
  const yesterday = DAYS[(DAYS.indexOf(day) + 6) % 7] ?? day;
  if (fromMinute < toMinute) return days.includes(day) && minute >= fromMinute && minute < toMinute;
  return (days.includes(day) && minute >= fromMinute) || (days.includes(yesterday) && minute < toMinute);
}

function localTime(now: Date, timezone: string): { day: Day; minute: number } {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: timezone,
    weekday: "short",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  const parts = new Map(format.formatToParts(now).map(({ type, value }) => [type, value]));
  const named = parts.get("weekday")?.toLowerCase();
  const day = DAYS.find((each) => each === named) ?? "sun";
  return { day, minute: Number(parts.get("hour")) * 60 + Number(parts.get("minute")) };
}

/** 08:00-18:00 Europe/Berlin */
export function windowInWords({ fromMinute, toMinute, timezone }: ThrottleWindow): string {
  return `${clock(fromMinute)}-${clock(toMinute)} ${timezone}`;
}

function clock(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
}
