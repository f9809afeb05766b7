import { describe, expect, it } from "vitest";
import { JournalCursor } from "../../src/control/journal-cursor.ts";

describe("a reader of the journal", () => {
  it("waits for the numbers that it has not seen, since their transactions may commit late", () => {
    const cursor = new JournalCursor(10);
    cursor.seen([11, 14], 0);
    expect([cursor.last, cursor.gaps(1_000)]).toEqual([14, [12, 13]]);
    cursor.seen([12, 15], 1_000);
    expect([cursor.last, cursor.gaps(2_000)]).toEqual([15, [13]]);
  });

  it("gives a number up after a minute: it was rolled back", () => {
    const cursor = new JournalCursor(0);
    cursor.seen([2], 0);
    expect(cursor.gaps(60_000)).toEqual([1]);
    expect(cursor.gaps(60_001)).toEqual([]);
  });

  it("asks for so many at most, whatever was rolled back", () => {
    const cursor = new JournalCursor(0);
    cursor.seen([5_000], 0);
    expect([cursor.last, cursor.gaps(0).length]).toEqual([5_000, 1_000]);
  });
});
