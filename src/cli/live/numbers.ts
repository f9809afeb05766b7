/** Shown where a number is not known: an honest view does not guess. */
export const UNKNOWN = "—";

const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** 999, 1.2k, 41k, 1.2M. */
export function count(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return UNKNOWN;
  return scaled(value, 1000, ["", "k", "M", "G", "T"], "");
}

/** 512 B, 34 MB: in steps of 1024, as pg_size_pretty has them. */
export function bytes(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return UNKNOWN;
  return scaled(value, 1024, ["B", "kB", "MB", "GB", "TB", "PB"], " ");
}

function scaled(value: number, step: number, units: readonly string[], gap: string): string {
  let rest = Math.abs(value);
  let unit = 0;
  // 999.5 would be rounded to 1000 of its unit.
  while (rest >= step - 0.5 && unit < units.length - 1) {
    rest /= step;
    unit++;
  }
  const digits = unit > 0 && rest < 9.95 ? rest.toFixed(1) : String(Math.round(rest));
  return `${value < 0 ? "-" : ""}${digits}${gap}${units[unit] ?? ""}`;
}

/** 12 ms, 3.2 s, 42 s, 3m 20s, 2h 05m, 3d 04h. */
export function duration(ms: number | null): string {
  if (ms === null || !Number.isFinite(ms) || ms < 0) return UNKNOWN;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m ${twoDigits(seconds % 60)}s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours}h ${twoDigits(minutes % 60)}m`;
  return `${Math.floor(hours / 24)}d ${twoDigits(hours % 24)}h`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}

/** From 0 to 1; null when there is nothing to measure. Never 1 before it is: 99.9 % of a million rows is not all of them. */
export function fraction(done: number, total: number): number | null {
  if (total <= 0) return null;
  return Math.min(1, Math.max(0, done / total));
}

/** ` 62 %`; 100 % only when it is all. */
export function percent(part: number | null): string {
  if (part === null) return UNKNOWN;
  return `${part >= 1 ? 100 : Math.min(99, Math.floor(part * 100))} %`;
}

/** A bar of so many cells in steps of an eighth, and the cells that are left of it. */
export function bar(part: number | null, cells: number): { filled: string; empty: string } {
  const eighths = Math.floor((part ?? 0) * cells * 8);
  const filled = "█".repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? "");
  return { filled, empty: "·".repeat(Math.max(0, cells - filled.length)) };
}
