/**
 * What is traced: the way of a **beat** (src/capture/beat.ts) from its commit at the source into Kafka and on to the target. It goes through the
 * same queues as the changes before and after it, in their order, so its times are theirs; and there is one a second, whatever the
 * load. Its name is known at both ends, so the spans belong together without a word of them in the topic.
 */

import { createHash } from "node:crypto";
import type { Span } from "./tracer.ts";

type Beat = { readonly run: string; readonly number: number; readonly emittedAtMs: number };
type Way = { readonly migration: string; readonly beat: Beat; readonly position: string };

/** It is durable in Kafka, and so is everything that was committed before it. */
export function published({ migration, beat, position }: Way, endMs: number): Span {
  const { trace, span } = idsOf(migration, beat);
  return {
    ...{ trace, span, name: "capture publish", kind: "producer", startMs: beat.emittedAtMs, endMs },
    attributes: { "rehouse.migration": migration, "rehouse.position": position },
  };
}

/** A lane has committed it at the target, with everything that was before it in the partition. */
export function applied(
  { migration, beat, position }: Way,
  { partition, lane, changes }: { readonly partition: number; readonly lane: string; readonly changes: number },
  endMs: number,
): Span {
  const { trace, span: parent } = idsOf(migration, beat);
  return {
    ...{ trace, span: hash(`${trace} ${partition} ${lane}`).slice(0, 16), parent },
    ...{ name: "apply commit", kind: "consumer", startMs: beat.emittedAtMs, endMs },
    attributes: {
      "rehouse.migration": migration,
      "rehouse.position": position,
      "rehouse.partition": partition,
      "rehouse.lane": lane,
      "rehouse.changes": changes,
    },
  };
}

function idsOf(migration: string, { run, number }: Beat): { readonly trace: string; readonly span: string } {
  const digits = hash(`${migration} ${run} ${number}`);
  return { trace: digits.slice(0, 32), span: digits.slice(32, 48) };
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
