import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { migrationJsonSchema } from "../../src/file/json-schema.ts";

describe("schemas/migration.schema.json", () => {
  it("is current (npm run schema)", async () => {
    const written: unknown = JSON.parse(await readFile(new URL("../../schemas/migration.schema.json", import.meta.url), "utf8"));
    expect(written).toEqual(migrationJsonSchema());
  });

  it("tells an editor what every key is for", () => {
    const properties = Object.entries(migrationJsonSchema().properties ?? {});
    expect(properties.length).toBeGreaterThan(5);
    for (const [key, schema] of properties)
      expect(schema, key).toMatchObject({ title: expect.any(String), description: expect.any(String) });
  });
});
