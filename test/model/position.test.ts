import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  asLsn,
  comparePositions,
  formatLsn,
  formatPosition,
  type Lsn,
  type Position,
  parseLsn,
  parsePosition,
  START,
} from "../../src/model/position.ts";

const lsns = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }).map(asLsn);
/** Few different values, so that equal ones meet. */
const crowdedLsns = fc.constantFrom<Lsn[]>(
  asLsn(0n),
  asLsn(1n),
  asLsn(0xffff_ffffn),
  asLsn(0x1_0000_0000n),
  asLsn(0xffff_ffff_ffff_ffffn),
);
const positions: fc.Arbitrary<Position> = fc.record({ lsn: fc.oneof(crowdedLsns, lsns), ordinal: fc.nat({ max: 3 }) });

describe("an LSN", () => {
  it("reads back what it was written as", () => {
    fc.assert(fc.property(lsns, (lsn) => parseLsn(formatLsn(lsn)) === lsn));
  });

  it("is written as Postgres writes it", () => {
    expect(formatLsn(asLsn(0x1a2b3c4n))).toBe("0/1A2B3C4");
    expect(formatLsn(asLsn(0xff_0000_000an))).toBe("FF/A");
  });

  it.each(["", "0", "0/", "/0", "0/G", "0/123456789", "0/1 ", "-1/0", "0x1/0"])("is not %j", (text) => {
    expect(() => parseLsn(text)).toThrow(RangeError);
  });

  it("has 64 bits and no sign", () => {
    expect(() => asLsn(-1n)).toThrow(RangeError);
    expect(() => asLsn(1n << 64n)).toThrow(RangeError);
  });
});

describe("positions", () => {
  it("are in one total order", () => {
    fc.assert(
      fc.property(positions, positions, positions, (a, b, c) => {
        expect(Math.sign(comparePositions(a, b))).toBe(-Math.sign(comparePositions(b, a)) + 0);
        expect(comparePositions(a, b) === 0).toBe(a.lsn === b.lsn && a.ordinal === b.ordinal);
        if (comparePositions(a, b) <= 0 && comparePositions(b, c) <= 0) expect(comparePositions(a, c)).toBeLessThanOrEqual(0);
      }),
    );
  });

  it("order by commit first, whatever the ordinals are", () => {
    expect(comparePositions({ lsn: asLsn(1n), ordinal: 900 }, { lsn: asLsn(2n), ordinal: 1 })).toBeLessThan(0);
  });

  it("all come after the start", () => {
    fc.assert(
      fc.property(lsns, fc.integer({ min: 1, max: 2 ** 40 }), (lsn, ordinal) => comparePositions(START, { lsn, ordinal }) < 0),
    );
  });

  it("read back from their header", () => {
    fc.assert(
      fc.property(
        lsns,
        fc.nat({ max: 999_999_999_999_999 }),
        (lsn, ordinal) => comparePositions(parsePosition(formatPosition({ lsn, ordinal })), { lsn, ordinal }) === 0,
      ),
    );
  });

  it.each(["", "0/1", "0/1:", "0/1:-1", "0/1:1.5", ":1", "0/1: 1", "0/1:0x1", "0/1:1e3", "0/1:x"])("are not %j", (text) => {
    expect(() => parsePosition(text)).toThrow(RangeError);
  });
});
