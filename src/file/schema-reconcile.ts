import { z } from "zod";

const PACE = "a number above 0, at most 1";
const DURATION = "a duration with its unit, such as 30s, 10m or 6h";
const UNIT_MS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function duration(description: string, example: string) {
  return z
    .string(DURATION)
    .regex(/^\d{1,6}[smhd]$/, DURATION)
    .transform((text) => Number(text.slice(0, -1)) * (UNIT_MS[text.slice(-1)] ?? 1))
    .meta({ description, examples: [example] });
}

/** How hard the endless comparison works. Nothing behind the key is the same as an empty map. */
export const reconcileSchema = z
  .strictObject(
    {
      pace: z
        .number(PACE)
        .positive(PACE)
        .max(1, PACE)
        .optional()
        .meta({
          description: "The part of its time in which each reconciling process works; it rests for the others. Default 0.05.",
          examples: [0.05],
        }),
      every: duration(
        "How long a table of a tenant rests after a comparison when nothing in it has changed. Default 10m.",
        "10m",
      ).optional(),
      everyChanged: duration("The same for one that has changed since. Default 10s.", "10s").optional(),
    },
    "a map with pace, every, everyChanged",
  )
  .nullable()
  .optional()
  .meta({
    title: "Reconcile",
    description: "How hard the endless comparison of both sides works.",
    examples: [{ pace: 0.05, every: "10m", everyChanged: "10s" }],
  });
