/** A role that goes at the pace that the throttle gives it. */

import type { EngineDeps } from "../systems.ts";
import { Obeyed, type Pace, type PacedRole } from "../throttle/index.ts";
import { together } from "../together.ts";

/** The stage beside the looks at what it has to obey; the first of them comes before it. */
export async function obeying(
  role: PacedRole,
  { file, systems }: Pick<EngineDeps, "file" | "systems">,
  stage: (pace: Pace, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const obeyed = new Obeyed({ target: systems.target, migration: file.name, settings: file.throttle });
  await obeyed.look();
  await together([(ended) => stage(obeyed.of(role), ended), (ended) => obeyed.run(ended)], signal);
}
