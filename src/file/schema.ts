import { z } from "zod";
import { reconcileSchema } from "./schema-reconcile.ts";
import { rollbackSchema } from "./schema-rollback.ts";
import { routeSchema } from "./schema-route.ts";
import { kafkaSchema, registrySchema, serverSchema, sourceSchema } from "./schema-servers.ts";
import { columnName, tablesSchema } from "./schema-tables.ts";
import { throttleSchema } from "./schema-throttle.ts";

/*
 * The whole migration file. schemas/migration.schema.json is generated from here; what cannot be said key by key is in checks.ts.
 */

const NAME = "a name of lower-case letters, digits and dashes that begins with a letter, at most 40 long";
const TENANT_ID = "a tenant as text, or as a whole number below 2^53 (in quotes beyond that)";
const MOVE = "a list of tenants, all, or a map with query";
const FOREIGN_WRITES = "alert, stop or overwrite";
const LAYOUT_SCHEMA = "the name of a schema, with {tenant} where the tenant comes in";

const tenantId = z.union([z.string().min(1, "a tenant that is not the empty text"), z.int().transform(String)], TENANT_ID).meta({
  title: "Tenant",
  description: "A value of the tenant column. It is always text: a number stands for its digits as written.",
  examples: [42, "acme", "0017"],
});

const tenantsSchema = z
  .strictObject(
    {
      column: columnName.meta({
        description: "Column that holds the tenant, in every table that does not say otherwise.",
        examples: ["tenant_id"],
      }),
      move: z
        .union(
          [
            z.array(tenantId, MOVE).min(1, "at least one tenant"),
            z.literal("all"),
            z.strictObject(
              {
                query: z
                  .string("a SQL query with one column")
                  .min(1, "a SQL query with one column")
                  .meta({
                    description: "Query on the source; its first column holds the tenants.",
                    examples: ["SELECT id FROM accounts WHERE plan = 'enterprise'"],
                  }),
              },
              "a map with query",
            ),
          ],
          MOVE,
        )
        .meta({
          title: "Tenants to move",
          description: "A list of tenants, `all`, or `{ query }`.",
          examples: [[42, 43], "all", { query: "SELECT id FROM accounts" }],
        }),
      null: z.enum(["leave", "refuse"], "leave or refuse").optional().meta({
        title: "Rows without a tenant",
        description:
          "What becomes of rows whose tenant is NULL. `leave` (default): they stay at the source, and status tells of them. `refuse`: the preflight does not pass while there are any, and capture stops at the first one that is written.",
      }),
    },
    "a map with column, move, null",
  )
  .meta({ title: "Tenants", description: "Which tenants move. Left out: everything moves as one unit, shown as tenant `*`." });

const layoutSchema = z
  .strictObject(
    {
      schema: z
        .string(LAYOUT_SCHEMA)
        .min(1, LAYOUT_SCHEMA)
        .optional()
        .meta({
          description: "Schema at the target; `{tenant}` stands for the tenant. Left out: the schema that the table comes from.",
          examples: ["tenant_{tenant}", "app"],
        }),
      tenantColumn: z.enum(["keep", "drop"], "keep or drop").optional().meta({
        description:
          "Whether the tenant column is carried over. Default keep. A column that is the whole key of its table stays in any case.",
      }),
    },
    "a map with schema, tenantColumn",
  )
  .nullable()
  .optional()
  .meta({ title: "Layout", description: "Where tables go.", examples: [{ schema: "tenant_{tenant}", tenantColumn: "drop" }] });

export const migrationSchema = z
  .strictObject(
    {
      migration: z
        .string(NAME)
        .regex(/^[a-z][a-z0-9-]{0,39}$/, NAME)
        .meta({
          title: "Name",
          description: "Names the migration, and its slot, publication, topics and consumer group.",
          examples: ["move-enterprise"],
        }),
      source: sourceSchema.meta({ description: "The database that tenants leave." }),
      target: serverSchema.meta({ description: "The database that tenants go to. It may be the same one, with another layout." }),
      kafka: kafkaSchema,
      registry: registrySchema,
      tenants: tenantsSchema.optional(),
      layout: layoutSchema,
      tables: tablesSchema,
      foreignWrites: z
        .enum(["alert", "stop", "overwrite"], FOREIGN_WRITES)
        .optional()
        .meta({
          title: "Foreign writes",
          description:
            "What to do about rows that somebody else writes at the target while their tenant is on its way: note and show them (alert), stop the tenant before its stream overwrites them, or overwrite them from the source at once. Default alert.",
          examples: ["stop"],
        }),
      reconcile: reconcileSchema,
      throttle: throttleSchema,
      route: routeSchema,
      rollback: rollbackSchema,
    },
    "a migration: a map with migration, source, target, kafka, registry, tenants, layout, tables",
  )
  .meta({ title: "Rehouse migration file", description: "One declared move of tenants between Postgres databases or layouts." });

/** What is written in the file, or given to `defineMigration`. */
export type MigrationInput = z.input<typeof migrationSchema>;
/** The file after the schema: still with the choices of the writer, before defaults. */
export type ParsedMigration = z.output<typeof migrationSchema>;
