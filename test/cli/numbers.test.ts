import { describe, expect, it } from "vitest";
import { bar, bytes, count, duration, fraction, percent } from "../../src/cli/live/numbers.ts";
import { cut, padEnd, widthOf } from "../../src/cli/live/width.ts";

describe("numbers for people", () => {
  it.each([
    [0, "0"],
    [999, "999"],
    [999.6, "1.0k"],
    [1234, "1.2k"],
    [41_234, "41k"],
    [999_500, "1.0M"],
    [1_234_567, "1.2M"],
    [null, "—"],
    [Number.NaN, "—"],
  ])("count %s is %s", (value, text) => expect(count(value)).toBe(text));

  it.each([
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.0 kB"],
    [35_651_584, "34 MB"],
    [1.5 * 1024 ** 4, "1.5 TB"],
  ])("bytes %s are %s", (value, text) => expect(bytes(value)).toBe(text));

  it.each([
    [0, "0 ms"],
    [999.4, "999 ms"],
    [999.6, "1.0 s"],
    [9_960, "10 s"],
    [59_600, "1m 00s"],
    [200_000, "3m 20s"],
    [7_500_000, "2h 05m"],
    [273_600_000, "3d 04h"],
    [-1, "—"],
    [Number.POSITIVE_INFINITY, "—"],
  ])("duration %s ms is %s", (value, text) => expect(duration(value)).toBe(text));

  it("a percent is 100 only when it is all", () => {
    expect(percent(fraction(999_999, 1_000_000))).toBe("99 %");
    expect(percent(fraction(5, 5))).toBe("100 %");
    expect(percent(fraction(7, 5))).toBe("100 %");
    expect(percent(fraction(0, 0))).toBe("—");
  });

  it("a bar goes in eighths and always has its length", () => {
    for (let step = 0; step <= 80; step++) {
      const { filled, empty } = bar(step / 80, 10);
      expect(widthOf(filled + empty)).toBe(10);
    }
    expect(bar(0.5, 3)).toEqual({ filled: "█▌", empty: "·" });
    expect(bar(null, 3)).toEqual({ filled: "", empty: "···" });
  });
});

describe("text in columns", () => {
  it("counts cells, not characters", () => {
    expect(widthOf("日本")).toBe(4);
    expect(widthOf("e\u0301")).toBe(1);
    expect(widthOf("\x1b[31mred\x1b[39m")).toBe(3);
    expect(cut("日本語", 4)).toBe("日…");
    expect(padEnd("日", 4)).toBe("日  ");
  });
});
