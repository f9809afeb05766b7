/** The pages of a long list that are there: those that are seen are asked for, and again now and then; a bounded number is kept. */

import { useEffect, useRef, useState } from "preact/hooks";
import { get } from "../../api/client.ts";
import { asTrouble, type Trouble } from "../../api/failure.ts";
import { token } from "../../api/session.ts";
import type { Tenant } from "../../api/types.ts";
import { pagesOf, type Range } from "../../parts/visible.ts";

const PAGE = 200;
/** As a fast scroll goes by, nothing is asked. */
const REST_MS = 60;
const RENEW_MS = 2_000;
/** Beyond it, the page that was looked at longest ago is let go. */
const MOST_PAGES = 30;

export type Pages = {
  readonly total: number;
  /** Whether anything is known of this list yet. */
  readonly isThere: boolean;
  readonly trouble: Trouble | null;
  readonly rowAt: (index: number) => Tenant | undefined;
  readonly onRange: (range: Range) => void;
};

type Kept = { readonly key: string; readonly total: number; readonly pages: ReadonlyMap<number, readonly Tenant[]> };

/** `key`: the query without its page; `version`: what is there is asked for anew when it changes. */
export function useTenantPages(key: string, version: number): Pages {
  const [kept, setKept] = useState<Kept>({ key, total: 0, pages: new Map() });
  const [trouble, setTrouble] = useState<Trouble | null>(null);
  const [wanted, setWanted] = useState<Range>({ from: 0, to: 1 });
  const have = useRef(kept);
  have.current = kept;
  const asWhom = token.value;
  const pages = pagesOf(wanted, PAGE).join();

  // A new version, or somebody else who is signed in, is asked for anew
  useEffect(() => {
    const gone = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const ask = async () => {
      try {
        for (const page of document.hidden ? [] : pages.split(",").map(Number)) {
          const query = new URLSearchParams(key);
          query.set("offset", String(page * PAGE));
          query.set("limit", String(PAGE));
          const { total, tenants } = await get("/tenants", query, gone.signal);
          setKept((before) => withPage(before, { key, total, page, tenants }));
        }
        setTrouble(null);
      } catch (error) {
        if (gone.signal.aborted) return;
        setTrouble(asTrouble(error));
      }
      if (!gone.signal.aborted) timer = setTimeout(ask, RENEW_MS);
    };
    // The first page of another list is wanted at once, and so is what somebody has stopped at.
    const isNew = have.current.key !== key || have.current.pages.size === 0;
    timer = setTimeout(ask, isNew ? 0 : REST_MS);
    return () => {
      gone.abort();
      clearTimeout(timer);
    };
  }, [key, pages, version, asWhom]);

  return {
    total: kept.total,
    isThere: kept.pages.size > 0,
    trouble,
    rowAt: (index) => kept.pages.get(Math.floor(index / PAGE))?.[index % PAGE],
    onRange: setWanted,
  };
}

/** Another list takes the place of the one before only when something of it is there: nothing flickers. */
function withPage(
  before: Kept,
  { key, total, page, tenants }: Pick<Kept, "key" | "total"> & { readonly page: number; readonly tenants: readonly Tenant[] },
): Kept {
  const others = before.key === key ? [...before.pages].filter(([known]) => known !== page) : [];
  return { key, total, pages: new Map([...others.slice(-(MOST_PAGES - 1)), [page, tenants]]) };
}
