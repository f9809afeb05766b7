import { expect, it } from "vitest";
import { mapInSlices } from "../src/slices.ts";

it("a long list is made into another one in its order, and others have their turn meanwhile", async () => {
  let turns = 0;
  const others = setInterval(() => turns++, 0);
  const items = Array.from({ length: 2_000 }, (_, index) => index);
  const made = await mapInSlices(items, (item) => {
    // 20 us an item: ten slices at least.
    for (const end = performance.now() + 0.02; performance.now() < end; );
    return item * 2;
  });
  clearInterval(others);
  expect(made).toEqual(items.map((item) => item * 2));
  expect(turns).toBeGreaterThan(3);
});

it("what fails in the middle of a list is heard", async () => {
  const make = (item: number) => {
    if (item === 200) throw new Error("no");
    return item;
  };
  await expect(
    mapInSlices(
      Array.from({ length: 300 }, (_, index) => index),
      make,
    ),
  ).rejects.toThrow("no");
  expect(await mapInSlices([], make)).toEqual([]);
});
