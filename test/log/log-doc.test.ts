import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { isJournalEvent, LOG_EVENTS } from "../../src/log-events.ts";

describe("docs/logs.md", () => {
  it("has every event with its level and meaning, in order, each where it comes from", () => {
    const text = readFileSync(new URL("../../docs/logs.md", import.meta.url), "utf8");
    const [own = "", journal = ""] = text.split(/^## What is in the journal$/m);
    const rows = (part: string) =>
      part
        .split("\n")
        .filter((line) => line.startsWith("| `"))
        .map((line) => line.split(" | ").map((cell) => cell.replaceAll(/^\| `|`$| \|$/g, "")));
    const expected = (isTold: boolean) =>
      Object.entries(LOG_EVENTS)
        .filter(([name]) => isJournalEvent(name) === isTold)
        .map(([name, { level, meaning }]) => [name, level, meaning]);
    expect(rows(own)).toEqual(expected(false));
    expect(rows(journal)).toEqual(expected(true));
  });
});
