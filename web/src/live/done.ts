/** What takes a moment and is answered when it is done: retry, skip, pause, resume, throttle. */

import { useEffect, useRef, useState } from "preact/hooks";
import { post } from "../api/client.ts";
import { asTrouble, type Trouble } from "../api/failure.ts";
import type { Acts, Operation } from "../api/types.ts";
import { tenantsVersion } from "./live.ts";

export type Momentary = { [Path in keyof Acts]: Acts[Path]["gives"] extends Operation ? never : Path }[keyof Acts];

export type Doing = {
  /** What was done, a sentence each; null: nothing yet. */
  readonly did: readonly string[] | null;
  readonly trouble: Trouble | null;
  readonly isBusy: boolean;
  readonly act: <Path extends Momentary>(path: Path, body: Acts[Path]["takes"]) => void;
};

export function useDoing(onDone?: () => void): Doing {
  const [state, setState] = useState<Omit<Doing, "act">>({ did: null, trouble: null, isBusy: false });
  const gone = useRef(new AbortController());
  useEffect(() => {
    gone.current = new AbortController();
    return () => gone.current.abort();
  }, []);
  return {
    ...state,
    act: (path, body) => {
      const { signal } = gone.current;
      setState({ did: null, trouble: null, isBusy: true });
      post(path, body, signal).then(
        (answer) => {
          tenantsVersion.value++;
          if (signal.aborted) return;
          setState({ did: "did" in answer ? answer.did : [], trouble: null, isBusy: false });
          onDone?.();
        },
        (error: unknown) => signal.aborted || setState({ did: null, trouble: asTrouble(error), isBusy: false }),
      );
    },
  };
}
