import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { ERROR_CODES } from "../../src/errors.ts";

describe("docs/errors.md", () => {
  it("has every code with its policy, exit code and meaning, in order, and no other", async () => {
    const text = await readFile(new URL("../../docs/errors.md", import.meta.url), "utf8");
    const rows = text.split("\n").filter((line) => line.startsWith("| REHOUSE_"));
    const documented = rows.map((row) =>
      row
        .split("|")
        .map((cell) => cell.trim())
        .slice(1, 5),
    );
    expect(documented).toEqual(
      Object.entries(ERROR_CODES).map(([code, { policy, exit, meaning }]) => [code, policy, String(exit), meaning]),
    );
    for (const row of rows) expect(row.split("|").map((cell) => cell.trim())[5], row).not.toBe("");
  });
});
