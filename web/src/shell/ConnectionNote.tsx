/** Says that what is shown may be old, since when, and why. */

import { clock, duration } from "../format.ts";
import { connection, trouble } from "../live/live.ts";
import { TroubleNote } from "../parts/TroubleNote.tsx";
import { now } from "./now.ts";

/** A page that is loaded while the server starts need not frighten anybody. */
const SAID_AFTER_MS = 1_500;

export function ConnectionNote() {
  const it = connection.value;
  if (it.kind === "lost" && now.value - it.sinceMs > SAID_AFTER_MS)
    return (
      <TroubleNote
        trouble={it.trouble}
        title={`Connection lost since ${clock(it.sinceMs)} (${duration(now.value - it.sinceMs)}). What is shown is as old as that.`}
      />
    );
  if (trouble.value !== null && it.kind === "live")
    return <TroubleNote trouble={trouble.value} title="The server cannot say how the migration is." />;
  return null;
}
