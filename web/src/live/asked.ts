/** What is asked for as long as a view shows it: an answer, or why there is none, renewed now and then. */

import { useEffect, useState } from "preact/hooks";
import { get } from "../api/client.ts";
import { asTrouble, type Trouble } from "../api/failure.ts";
import { token } from "../api/session.ts";
import type { Gives } from "../api/types.ts";

export type Asked<Answer> = { readonly answer: Answer | null; readonly trouble: Trouble | null };

type Asking = {
  readonly query?: string;
  readonly everyMs: number;
  readonly version?: number;
  /** Whether it is asked at all: what needs a token is not asked without one. */
  readonly when?: boolean;
};

const NOT_ASKED = { answer: null, trouble: null };

/** `query` as text, so that the same one is the same; `version`: asked again at once where it changes. A hidden page asks nothing. */
export function useAsked<Path extends keyof Gives>(
  path: Path,
  { query = "", everyMs, version = 0, when = true }: Asking,
): Asked<Gives[Path]> {
  const [asked, setAsked] = useState<Asked<Gives[Path]>>(NOT_ASKED);
  const asWhom = token.value;
  // Whoever signs in, and what has changed, is asked for anew
  useEffect(() => {
    if (!when) return setAsked(NOT_ASKED);
    const gone = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const ask = async () => {
      if (!document.hidden) {
        try {
          const answer = await get(path, new URLSearchParams(query), gone.signal);
          setAsked({ answer, trouble: null });
        } catch (error) {
          if (gone.signal.aborted) return;
          // The last answer stays on the page, with the word that it is old.
          setAsked(({ answer }) => ({ answer, trouble: asTrouble(error) }));
        }
      }
      if (!gone.signal.aborted) timer = setTimeout(ask, everyMs);
    };
    void ask();
    return () => {
      gone.abort();
      clearTimeout(timer);
    };
  }, [path, query, everyMs, version, when, asWhom]);
  return asked;
}
