import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { asXid, isVisible, parseSnapshot, type Snapshot, seesAllOf, widenXid } from "../../src/model/snapshot.ts";

/** Snapshots over few transactions, so that every transaction can be asked for. */
const FIRST = 90n;
const LAST = 104n;
const EVERY = Array.from({ length: Number(LAST - FIRST) + 1 }, (_, index) => asXid(FIRST + BigInt(index)));

const snapshots: fc.Arbitrary<Snapshot> = fc
  .record({ xmax: fc.bigInt({ min: FIRST + 1n, max: LAST - 1n }), running: fc.subarray(EVERY) })
  .map(({ xmax, running }) => {
    const inProgress = new Set<bigint>(running.filter((xid) => xid < xmax));
    const xmin = [...inProgress].reduce((least, xid) => (xid < least ? xid : least), xmax);
    return { xmin: asXid(xmin), xmax: asXid(xmax), inProgress };
  });

describe("a snapshot", () => {
  it("is read as pg_current_snapshot() prints it", () => {
    expect(parseSnapshot("10:20:10,14,15")).toEqual({ xmin: 10n, xmax: 20n, inProgress: new Set([10n, 14n, 15n]) });
    expect(parseSnapshot("20:20:")).toEqual({ xmin: 20n, xmax: 20n, inProgress: new Set() });
  });

  it.each(["", "10:20", "10:20:1,", ":20:", "10:20:a", "10:20:1;2"])("is not %j", (text) => {
    expect(() => parseSnapshot(text)).toThrow(RangeError);
  });

  it("sees what was over when it was taken, and nothing else", () => {
    const snapshot = parseSnapshot("10:20:10,14");
    expect([9n, 10n, 11n, 14n, 19n, 20n, 21n].filter((xid) => isVisible(snapshot, asXid(xid)))).toEqual([9n, 11n, 19n]);
  });

  it("sees all that another sees exactly if no transaction is seen by that one alone", () => {
    fc.assert(
      fc.property(snapshots, snapshots, (later, earlier) => {
        const bruteForce = EVERY.every((xid) => !isVisible(earlier, xid) || isVisible(later, xid));
        // The list is finite and xmax is not a transaction that is over, so "no" may be said once too often, "yes" never.
        if (seesAllOf(later, earlier)) expect(bruteForce).toBe(true);
        else if (later.xmax >= earlier.xmax) expect(bruteForce).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });

  it("sees all that it sees itself", () => {
    fc.assert(fc.property(snapshots, (snapshot) => seesAllOf(snapshot, snapshot)));
  });
});

describe("an xid of the stream", () => {
  const HALF = 2n ** 31n;
  const references = fc.oneof(
    fc.bigInt({ min: HALF, max: 2n ** 62n }),
    // Around the end of an epoch of 2^32.
    fc
      .tuple(fc.bigInt({ min: 1n, max: 2n ** 20n }), fc.bigInt({ min: -20n, max: 20n }))
      .map(([epoch, off]) => epoch * 2n ** 32n + off),
  );

  it("is found again as long as it is less than half a round away", () => {
    fc.assert(
      fc.property(
        references,
        fc.oneof(fc.bigInt({ min: 1n - HALF, max: HALF - 1n }), fc.bigInt({ min: -40n, max: 40n })),
        (reference, distance) => {
          const xid = reference + distance;
          fc.pre(xid >= 0n);
          expect(widenXid(Number(BigInt.asUintN(32, xid)), asXid(reference))).toBe(xid);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("belongs to the epoch before when the snapshot stands just after the wrap, and the other way round", () => {
    const wrap = 3n * 2n ** 32n;
    expect(widenXid(0xffff_fffe, asXid(wrap + 5n))).toBe(wrap - 2n);
    expect(widenXid(7, asXid(wrap - 5n))).toBe(wrap + 7n);
  });

  it("is never negative in the first epoch", () => {
    expect(widenXid(0xffff_fff0, asXid(10n))).toBe(0xffff_fff0n);
  });

  it("is seen or not across the wrap as pg_visible_in_snapshot() says", () => {
    const wrap = 2n ** 32n;
    const snapshot = parseSnapshot(`${wrap - 3n}:${wrap + 4n}:${wrap - 3n},${wrap + 1n}`);
    const seen = [-4, -3, -2, -1, 0, 1, 2, 3, 4].filter((off) =>
      isVisible(snapshot, widenXid(Number(BigInt.asUintN(32, wrap + BigInt(off))), snapshot.xmax)),
    );
    expect(seen).toEqual([-4, -2, -1, 0, 2, 3]);
  });
});
