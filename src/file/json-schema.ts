import { z } from "zod";
import { migrationSchema } from "./schema.ts";

/** `${VAR}` may stand wherever a text may, and an editor sees the file before it is filled in. */
const HOLDS_VARIABLE = "\\$\\{";

/** The JSON Schema of the migration file, as editors read it: it describes what is written, before defaults. */
export function migrationJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(migrationSchema, {
    io: "input",
    target: "draft-2020-12",
    override({ zodSchema, jsonSchema }) {
      // zod leaves out the examples of schemas that transform, since it takes them for examples of the output. Ours are of the input.
      const examples = z.globalRegistry.get(zodSchema)?.examples;
      if (Array.isArray(examples)) jsonSchema.examples = examples;
      if (jsonSchema.type !== "string") return;
      // A schema that wraps another one comes by here again with what the inner one already got.
      if (jsonSchema.pattern !== undefined && !jsonSchema.pattern.endsWith(HOLDS_VARIABLE))
        jsonSchema.pattern += `|${HOLDS_VARIABLE}`;
      if (jsonSchema.enum !== undefined) {
        jsonSchema.anyOf = [{ enum: jsonSchema.enum }, { pattern: HOLDS_VARIABLE }];
        delete jsonSchema.enum;
      }
    },
  });
}
