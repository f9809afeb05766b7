/** Which lanes the topic has left behind, while the topic grows and is trimmed, and lanes move. */

import { expect, test } from "vitest";
import { lostLanes } from "../../src/resync/begin.ts";

type Look = { readonly low: bigint; readonly high: bigint };

/** A lane at `next`, looked at between two looks at its partition. */
async function isLost(before: Look, next: number, after: Look): Promise<boolean> {
  const looks = [before, after];
  const topic = { offsets: async () => [{ partition: 0, ...(looks.shift() ?? after) }] };
  const target = { query: async () => [{ partition: "0", lane: "main", next_offset: String(next) }] };
  return (await lostLanes(target, topic, "m")).lost.length > 0;
}

test("a lane whose next message was trimmed, or that stands beyond a topic that was made anew, is lost", async () => {
  expect(await isLost({ low: 10n, high: 20n }, 9, { low: 10n, high: 20n })).toBe(true);
  expect(await isLost({ low: 0n, high: 5n }, 6, { low: 0n, high: 5n })).toBe(true);
  for (const next of [10, 15, 20]) expect(await isLost({ low: 10n, high: 20n }, next, { low: 10n, high: 20n })).toBe(false);
});

test("one that has applied what came into the topic after the first look is not, nor one that was there before it was trimmed", async () => {
  expect(await isLost({ low: 0n, high: 20n }, 25, { low: 0n, high: 30n })).toBe(false);
  expect(await isLost({ low: 0n, high: 20n }, 5, { low: 10n, high: 20n })).toBe(false);
});
