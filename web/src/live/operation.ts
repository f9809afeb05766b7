/** One operation as it goes: begun from here, followed on the stream of events, and asked for once more when it has ended. */

import { useEffect, useRef, useState } from "preact/hooks";
import { post } from "../api/client.ts";
import { asTrouble, type Trouble } from "../api/failure.ts";
import type { Acts, Operation, OperationSummary } from "../api/types.ts";
import { useAsked } from "./asked.ts";
import { hearOf, operations } from "./live.ts";

/** Where the stream is lost it is asked for. */
const EVERY_MS = 2_000;
const ENDED_EVERY_MS = 600_000;

/** Routes that begin an operation. */
export type Beginning = { [Path in keyof Acts]: Acts[Path]["gives"] extends Operation ? Path : never }[keyof Acts];

export type Begun = {
  /** Null before it has begun. */
  readonly operation: OperationSummary | null;
  /** Its result is there, or will never be. */
  readonly whole: Operation | null;
  /** Why it has not begun. */
  readonly refused: Trouble | null;
  /** Why nobody knows how it gets on: it may go on all the same. */
  readonly lost: Trouble | null;
  readonly isSending: boolean;
  readonly begin: <Path extends Beginning>(path: Path, body: Acts[Path]["takes"]) => void;
};

/** Nothing has begun before `begin`; begun again, it is the new one that is followed. */
export function useBegun(): Begun {
  const [id, setId] = useState<string | null>(null);
  const [refused, setRefused] = useState<Trouble | null>(null);
  const [isSending, setSending] = useState(false);
  const gone = useRef(new AbortController());
  useEffect(() => {
    gone.current = new AbortController();
    return () => gone.current.abort();
  }, []);
  const followed = useOperation(id);
  return {
    ...{ ...followed, refused, isSending },
    begin: (path, body) => {
      const { signal } = gone.current;
      setSending(true);
      setRefused(null);
      setId(null);
      post(path, body, signal)
        .then(
          (begun) => {
            hearOf(summaryOf(begun as Operation));
            if (!signal.aborted) setId((begun as Operation).id);
          },
          (error: unknown) => signal.aborted || setRefused(asTrouble(error)),
        )
        .finally(() => signal.aborted || setSending(false));
    },
  };
}

/** `id` null: of none. */
export function useOperation(id: string | null): Pick<Begun, "operation" | "whole" | "lost"> {
  const heard = id === null ? undefined : operations.value.get(id);
  const hasEnded = heard !== undefined && heard.endedAt !== null;
  const { answer, trouble } = useAsked(`/operations/${id ?? ""}`, {
    everyMs: hasEnded ? ENDED_EVERY_MS : EVERY_MS,
    version: hasEnded ? 1 : 0,
    when: id !== null,
  });
  const whole = answer !== null && answer.endedAt !== null ? answer : null;
  return { operation: whole ?? heard ?? answer, whole, lost: whole === null ? trouble : null };
}

function summaryOf({ result: _, ...summary }: Operation): OperationSummary {
  return summary;
}

/** Asks an operation to end, and waits for nothing. */
export function askToEnd(id: string): Promise<unknown> {
  return post(`/operations/${id}/cancel`, {}, AbortSignal.timeout(10_000));
}
