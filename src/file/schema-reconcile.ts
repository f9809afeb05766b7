import { z } from "zod";
import { duration } from "./schema-duration.ts";

const PACE = "a number above 0, at most 1";

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
