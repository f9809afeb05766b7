/** Long lists a slice at a time: whoever else waits for this thread, such as a request, has his turn in between. */

import { setImmediate as turn } from "node:timers/promises";

/** How long a slice takes. A request of the API that comes in the middle of a look at 10,000 tenants waits for the rest of one. */
const SLICE_MS = 4;
/** The clock is not read for each item. */
const ITEMS_A_LOOK = 64;

/** As `items.map(make)`. The list must not change meanwhile. */
export async function mapInSlices<T, Made>(items: readonly T[], make: (item: T) => Made): Promise<Made[]> {
  const made: Made[] = [];
  let sliceEndsAt = performance.now() + SLICE_MS;
  for (const item of items) {
    made.push(make(item));
    if (made.length % ITEMS_A_LOOK !== 0 || performance.now() < sliceEndsAt) continue;
    await turn();
    sliceEndsAt = performance.now() + SLICE_MS;
  }
  return made;
}
