import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { FINDING_CODES } from "../../src/check/index.ts";

it("docs/check.md has every code with its meaning, and no other", async () => {
  const text = await readFile(new URL("../../docs/check.md", import.meta.url), "utf8");
  const documented = Object.fromEntries(
    [...text.matchAll(/^\| `([a-z-]+)` \| [a-z ]+ \| (.*) \|$/gm)].map((row) => [row[1], row[2]]),
  );
  expect(documented).toEqual({ ...FINDING_CODES });
});
