import { describe, expect, it } from "vitest";
import { isNoRoom, planSequence, type Sequence } from "../../src/cutover/sequence-plan.ts";

const BIGINT: Sequence = { name: "s", last: 1_000n, increment: 1n, min: 1n, max: 2n ** 63n - 1n, cycles: false };
const fresh = { ...BIGINT, last: undefined };

function plan(leaving: Partial<Sequence>, arriving: Partial<Sequence>, shared: boolean) {
  const move = planSequence({ column: "c", leaving: { ...BIGINT, ...leaving }, arriving: { ...fresh, ...arriving }, shared });
  return isNoRoom(move) ? move : { arriving: move.arriving?.last, block: move.block };
}

describe("a sequence at a switch", () => {
  it("goes on at the new home a margin beyond what the old one has given out", () => {
    expect(plan({}, {}, false)).toEqual({ arriving: 1_001_000n, block: undefined });
  });

  it("leaves the new home a block of its own where others go on using the old one", () => {
    const move = plan({}, {}, true);
    expect(move).toEqual({ arriving: 1_001_000n, block: 1_000_000n });
  });

  it("never goes back where the new home is further on", () => {
    expect(plan({}, { last: 5_000_000n }, false)).toEqual({ arriving: undefined, block: undefined });
  });

  it("sets a block aside for a new home that is further on, too", () => {
    expect(plan({}, { last: 5_000_000n }, true)).toEqual({ arriving: undefined, block: 1_000_000n });
  });

  it("counts in its own steps, downwards too", () => {
    expect(plan({ increment: 10n }, { increment: 10n }, true)).toEqual({ arriving: 10_001_000n, block: 10_000_000n });
    const down = { increment: -1n, last: -5n, min: -(2n ** 63n), max: -1n };
    expect(plan(down, { ...down, last: undefined }, true)).toEqual({ arriving: -1_000_005n, block: -1_000_000n });
  });

  it("takes less where less is left, and says so where there is too little", () => {
    const most = 2_147_483_647n;
    const near = plan({ last: most - 10_000_000n, max: most }, {}, true);
    expect(near).toEqual({ arriving: most - 10_000_000n + 200_000n, block: 200_000n });
    expect(plan({ last: most - 100n, max: most }, {}, true)).toMatchObject({ left: 100n });
  });

  it("stays where it is when nothing was given out, or when it cycles", () => {
    expect(plan({ last: undefined }, {}, true)).toEqual({ arriving: undefined, block: undefined });
    expect(plan({ cycles: true }, {}, true)).toEqual({ arriving: undefined, block: undefined });
  });
});
