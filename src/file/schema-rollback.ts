import { z } from "zod";

const ROLLBACK = "none, or a map";

/** A map means that every tenant can be switched back; nothing behind the key is the same as an empty one. */
export const rollbackSchema = z
  .union([z.literal("none"), z.record(z.string(), z.unknown())], ROLLBACK)
  .nullable()
  .optional()
  .meta({
    title: "Rollback",
    description:
      "`none`: there is no way back after a switch, and nothing is asked of the mapping and the servers that only it needs. A map: soak time and criteria; only `{}` in this version.",
    examples: ["none", {}],
  });
