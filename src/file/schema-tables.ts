import { z } from "zod";
import { parseColumnName, parseTableName } from "./names.ts";

const TABLE_NAME = "a table, [schema.]table, each part at most 63 bytes, in double quotes where it holds a dot";
const COLUMN_NAME = "a column's name of at most 63 bytes";
const EXPRESSION = "a SQL expression as text (a rename is the other column's name), or false";

export const columnName = z
  .string(COLUMN_NAME)
  .refine((text) => parseColumnName(text) !== undefined, COLUMN_NAME)
  .transform((text) => parseColumnName(text) ?? text);

const tableName = z.string(TABLE_NAME).refine((text) => parseTableName(text) !== undefined, TABLE_NAME);

const expression = z.string(EXPRESSION).refine((text) => text.trim() !== "", EXPRESSION);

const columns = z
  .record(
    z.string().refine((text) => parseColumnName(text) !== undefined, COLUMN_NAME),
    z.union([expression, z.literal(false)], EXPRESSION),
    "a map of columns",
  )
  .meta({
    title: "Columns",
    description:
      "The exceptions; every other column is carried over under its own name. Target column: SQL expression over the source row. Source column: false when it is not carried over.",
    examples: [{ total: "round(total_cents / 100.0, 2)", state: "status", total_cents: false }],
  });

const where = z
  .string("a SQL condition over the source row")
  .min(1, "a SQL condition over the source row")
  .meta({
    description: "SQL condition over the source row; rows that do not match are not at the target. Not in this version.",
    examples: ["deleted_at IS NULL"],
  });

const REVERSE = "a SQL expression over the target row";

const reverse = z
  .record(
    z.string().refine((text) => parseColumnName(text) !== undefined, COLUMN_NAME),
    z.string(REVERSE).refine((text) => text.trim() !== "", REVERSE),
    "a map from source column to a SQL expression over the target row",
  )
  .meta({
    title: "The way back",
    description:
      "Source column: SQL expression over the target row, for rollback. One that names no column of the target is for new rows only: a row that the source has keeps its value.",
    examples: [{ total_cents: "(total * 100)::bigint" }],
  });

const secret = z.array(columnName, "a list of columns").meta({
  title: "Secret columns",
  description:
    "Columns of the source or of the target whose values are nobody's to read: in evidence, reports and `verify` they stand as salted hashes. Whatever is computed from a secret source column is secret, too.",
  examples: [["email", "iban"]],
});

const splitTarget = z.strictObject(
  { to: tableName, columns: columns.optional(), where: where.optional(), reverse: reverse.optional() },
  "a map with to, columns, where, reverse",
);

const table = z.strictObject(
  {
    tenant: z
      .union(
        [
          columnName,
          z.strictObject(
            {
              through: columnName.meta({ description: "Column that refers to the parent." }),
              of: tableName.meta({ description: "The parent table." }),
            },
            "a map with through, of",
          ),
        ],
        "the column that holds the tenant, or a map with through, of",
      )
      .optional()
      .meta({
        title: "Tenant of the table",
        description:
          "Column of this table that holds the tenant, where it is not `tenants.column`; or the way to it through a parent table (not in this version).",
        examples: ["id", { through: "order_id", of: "orders" }],
      }),
    shared: z
      .boolean("true or false")
      .optional()
      .meta({ description: "true: the table has no tenant; it is copied whole, kept in step, and never switched." }),
    to: z
      .union(
        [tableName, z.array(splitTarget).min(1)],
        "a table, [schema.]table, or a list of maps with to, columns, where, reverse",
      )
      .optional()
      .meta({
        title: "Target table",
        description:
          "[schema.]table at the target. Left out: the same name in the layout's schema. A list splits the table (not in this version).",
        examples: ["purchases", "archive.orders"],
      }),
    columns: columns.optional(),
    where: where.optional(),
    reverse: reverse.optional(),
    secret: secret.optional(),
  },
  "a map with tenant, shared, to, columns, where, reverse, secret; {} for a table without exceptions",
);

/** `users:` with nothing behind it is what people write for a table without exceptions. */
export const tableSchema = table
  .nullable()
  .transform((given) => given ?? {})
  .meta({ title: "Table", description: "How one source table moves.", examples: [{}, { tenant: "id" }, { shared: true }] });

export const tablesSchema = z
  .record(
    z.string().refine((text) => parseTableName(text) !== undefined, TABLE_NAME),
    tableSchema,
    "a map with every source table that moves",
  )
  .refine((tables) => Object.keys(tables).length > 0, "at least one table")
  .meta({
    title: "Tables",
    description:
      "Every source table that moves. A table outside of `public` is written schema.table; names are taken as written, in double quotes where they hold a dot.",
    examples: [{ accounts: { tenant: "id" }, users: {}, "billing.invoices": {} }],
  });

export type TableInput = z.output<typeof tableSchema>;
