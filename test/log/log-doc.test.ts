import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { isJournalEvent, LOG_EVENTS } from "../../src/log-events.ts";

const SRC = fileURLToPath(new URL("../../src/", import.meta.url));

describe("the journal", () => {
  it("has no event that the log does not know, also where SQL writes it", () => {
    // What is written through journal() the compiler checks.
    const insert = /INSERT INTO rehouse\.journal[^`]*?(?:SELECT|VALUES \()[^'`]*'([a-z-]+)'/g;
    const files = globSync("**/*.ts", { cwd: SRC });
    const written = files.flatMap((file) =>
      [...readFileSync(`${SRC}${file}`, "utf8").matchAll(insert)].map(([, event = ""]) => event),
    );
    expect(written.length).toBeGreaterThan(8);
    expect(written.filter((event) => !isJournalEvent(event))).toEqual([]);
  });
});

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
