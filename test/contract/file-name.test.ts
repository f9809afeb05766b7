import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { fileName } from "../../src/contract/file-name.ts";

it.each(["..", ".", "../up", "a/b", "a\0b", "c:\\d", "\n", "ü".repeat(200)])("%j is one file in its folder", (text) => {
  const path = join("/archive", fileName(text));
  expect(dirname(path)).toBe("/archive");
  expect(fileName(text).length).toBeLessThanOrEqual(200);
});

it("another text has another name, also where both are cut", () => {
  const [one, other] = ["1", "2"].map((end) => fileName(`${"ü".repeat(200)}${end}`));
  expect(one).not.toBe(other);
  expect(fileName("42")).toBe("42");
});
