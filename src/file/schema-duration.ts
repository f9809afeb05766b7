import { z } from "zod";

const DURATION = "a duration with its unit, such as 30s, 10m or 6h";
const UNIT_MS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** As milliseconds. */
export function duration(description: string, example: string) {
  return z
    .string(DURATION)
    .regex(/^\d{1,6}[smhd]$/, DURATION)
    .transform((text) => Number(text.slice(0, -1)) * (UNIT_MS[text.slice(-1)] ?? 1))
    .meta({ description, examples: [example] });
}
