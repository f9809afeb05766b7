import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { migrationJsonSchema } from "../../src/file/json-schema.ts";

/** Every key that a map of the file may have, at any depth. */
function keysIn(schema: unknown, found = new Set<string>()): Set<string> {
  if (Array.isArray(schema)) for (const each of schema) keysIn(each, found);
  else if (typeof schema === "object" && schema !== null)
    for (const [word, inner] of Object.entries(schema)) {
      if (word === "properties" && typeof inner === "object" && inner !== null)
        for (const key of Object.keys(inner)) found.add(key);
      if (!["examples", "default", "enum", "const"].includes(word)) keysIn(inner, found);
    }
  return found;
}

it("docs/migration-file.md has every key that the schema takes, and its tables no other", async () => {
  const text = await readFile(new URL("../../docs/migration-file.md", import.meta.url), "utf8");
  const keys = keysIn(migrationJsonSchema());
  const spoken = new Set(text.match(/[A-Za-z]+/g));
  expect([...keys].filter((key) => !spoken.has(key))).toEqual([]);
  const cells = [...text.matchAll(/^\| ((?:`[a-zA-Z]+`(?:, )?)+) \|/gm)].flatMap((row) => row[1]?.match(/[a-zA-Z]+/g) ?? []);
  expect(cells.length).toBeGreaterThan(30);
  expect(cells.filter((key) => !keys.has(key))).toEqual(["differences"]);
});
