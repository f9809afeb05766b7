import { z } from "zod";
import { duration } from "./schema-duration.ts";

const CRITERION = "differences, apply-stopped, or a map with lagOver, query or http";
const WHOLE = "a whole number from 1 to 1000";

const words = z.enum(["differences", "apply-stopped"], CRITERION).meta({
  description:
    "`differences`: a row of the source differs from the target's. `apply-stopped`: a change cannot be applied to the source.",
});

const lag = z.strictObject(
  { lagOver: duration("The source is further behind the target than this.", "30s") },
  "a map with lagOver",
);

const query = z.strictObject(
  {
    query: z
      .string("a SQL query")
      .min(1, "a SQL query")
      .meta({
        description:
          "Trips when the first column of its first row is true. `$1` is the tenant; the search path is the tenant's own schema and public.",
        examples: ["SELECT count(*) > 20 FROM failed_jobs WHERE tenant_id = $1 AND at > now() - interval '5 minutes'"],
      }),
    on: z.enum(["source", "target"], "source or target").optional().meta({
      description: "The side that it is asked of. Default target.",
    }),
  },
  "a map with query, on",
);

const HTTP_URL = "an http(s) URL";

const http = z.strictObject(
  {
    http: z
      .string(HTTP_URL)
      .refine((text) => URL.canParse(text) && ["http:", "https:"].includes(new URL(text).protocol), HTTP_URL)
      .meta({
        description:
          "URL that is asked with GET; `{tenant}` stands for the tenant. An answer that is not 2xx, or none within 10 seconds, is a failure.",
        examples: ["https://app.internal/health/{tenant}"],
      }),
    fails: z
      .int(WHOLE)
      .min(1, WHOLE)
      .max(1000, WHOLE)
      .optional()
      .meta({
        description: "Trips after so many failures in a row. Default 3.",
        examples: [3],
      }),
    every: duration("How often it is asked. Default 10s.", "10s").optional(),
  },
  "a map with http, fails, every",
);

const criterion = z.union([words, lag, query, http], CRITERION);
/** A criterion after the schema. */
export type CriterionInput = z.output<typeof criterion>;

const ROLLBACK = "none, or a map with soak, when, action";

/** What happens after a tenant's switch, until it is contracted. Nothing behind the key is the same as an empty map. */
export const rollbackSchema = z
  .union(
    [
      z.literal("none"),
      z.strictObject(
        {
          soak: duration("How long a tenant stays under watch after its switch, and can go back. Default 72h.", "72h").optional(),
          when: z
            .array(criterion, `a list of criteria: ${CRITERION}`)
            .optional()
            .meta({
              title: "Criteria",
              description: "What must not be while a tenant soaks. Default: differences, apply-stopped.",
              examples: [["differences", "apply-stopped", { lagOver: "30s" }]],
            }),
          action: z
            .enum(["alert", "rollback"], "alert or rollback")
            .optional()
            .meta({
              description:
                "What a criterion that trips does: `alert` shows it in status and journal, `rollback` also takes the tenant back. Default alert.",
              examples: ["rollback"],
            }),
        },
        ROLLBACK,
      ),
    ],
    ROLLBACK,
  )
  .nullable()
  .optional()
  .meta({
    title: "Rollback",
    description:
      "`none`: there is no way back after a switch, and nothing is asked of the mapping and the servers that only it needs. A map: how long a switched tenant is watched, by what criteria, and what happens when one trips.",
    examples: ["none", { soak: "72h", when: ["differences", { lagOver: "30s" }], action: "rollback" }],
  });
