import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { DOCTOR_CODES } from "../../src/doctor/index.ts";

it("docs/doctor.md has every code with its meaning, and no other", async () => {
  const text = await readFile(new URL("../../docs/doctor.md", import.meta.url), "utf8");
  const documented = Object.fromEntries(
    [...text.matchAll(/^\| `([a-z-]+)` \| (.*?) \| .* \|$/gm)].map((row) => [row[1], row[2]]),
  );
  expect(documented).toEqual({ ...DOCTOR_CODES });
});
