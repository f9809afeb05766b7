import fc from "fast-check";
import { expect, test } from "vitest";
import { readsWholeTable, splitBlocks } from "../../src/backfill/split.ts";

const LIMITS = { rowsPerChunk: 1000, bytesPerChunk: 1 << 20 };

test("ranges cover every block once, and the last one is open", () => {
  fc.assert(
    fc.property(
      fc.nat(100_000),
      fc.nat(10_000_000),
      fc.nat(1 << 30),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (blocks, rows, bytes, share) => {
        const ranges = splitBlocks({ blocks, rows, bytes }, share, LIMITS);
        expect(ranges[0]?.from).toBe(0);
        expect(ranges.at(-1)?.to).toBeUndefined();
        for (const [index, range] of ranges.entries()) {
          if (index > 0) expect(range.from).toBe(ranges[index - 1]?.to);
          if (range.to !== undefined) expect(range.to).toBeGreaterThan(range.from);
        }
      },
    ),
  );
});

test("a chunk has about the rows it should, of those that are moved", () => {
  expect(splitBlocks({ blocks: 1000, rows: 100_000, bytes: 8_192_000 }, 1, LIMITS).length).toBe(100);
  expect(splitBlocks({ blocks: 1000, rows: 100_000, bytes: 8_192_000 }, 0.1, LIMITS).length).toBe(10);
});

test("wide rows make smaller chunks, down to a block", () => {
  expect(splitBlocks({ blocks: 100, rows: 1000, bytes: 100 << 20 }, 1, LIMITS).length).toBe(100);
  expect(splitBlocks({ blocks: 100, rows: 1000, bytes: 100 * 2 ** 30 }, 1, LIMITS).length).toBe(100);
});

test("a table is read in ranges unless an index leads to a small part of a large one", () => {
  expect(readsWholeTable({ blocks: 100_000, share: 0.01, hasTenantIndex: true })).toBe(false);
  expect(readsWholeTable({ blocks: 100_000, share: 0.2, hasTenantIndex: true })).toBe(true);
  expect(readsWholeTable({ blocks: 100_000, share: 0.01, hasTenantIndex: false })).toBe(true);
  expect(readsWholeTable({ blocks: 10, share: 0.01, hasTenantIndex: true })).toBe(true);
});
