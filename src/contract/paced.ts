/** A contract's batches give way as the backfill does, also where no `run` looks at the servers. */

import { slotName } from "../capture/slot.ts";
import { childController } from "../child-controller.ts";
import type { SwitchDeps } from "../cutover/index.ts";
import { runThrottle } from "../throttle/control.ts";
import { Obeyed, type Pace } from "../throttle/index.ts";
import { together } from "../together.ts";

export async function atPace(
  { file, systems, log }: SwitchDeps,
  work: (pace: Pace) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { source, target } = systems;
  const migration = file.name;
  const settings = file.throttle;
  const over = childController(signal);
  const obeyed = new Obeyed({ target, migration, settings });
  await obeyed.look();
  const beside = together(
    [
      (ended) => obeyed.run(ended),
      // Waits for the controller's lock, which a `run` has for as long as it lives.
      (ended) => runThrottle({ migration, slot: slotName(migration), source, target, settings, log }, ended),
    ],
    over.signal,
  );
  try {
    await work(obeyed.of("backfill"));
  } finally {
    over.abort();
    await beside;
  }
}
