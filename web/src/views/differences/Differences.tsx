/** Rows that differ, or did: both images side by side, when that was seen, and who has mended it. */

import { useEffect, useRef, useState } from "preact/hooks";
import { get } from "../../api/client.ts";
import { asTrouble, type Trouble } from "../../api/failure.ts";
import { token } from "../../api/session.ts";
import type { Difference } from "../../api/types.ts";
import { useAsked } from "../../live/asked.ts";
import { tenantsVersion } from "../../live/live.ts";
import { Loading } from "../../parts/Loading.tsx";
import { TroubleNote } from "../../parts/TroubleNote.tsx";
import { replaceHash } from "../../shell/location.ts";
import { differencesAt } from "../../shell/routes.ts";
import { SignIn } from "../../shell/SignIn.tsx";
import { type Choice, choiceOf, queryOf } from "./choice.ts";
import { Row } from "./Row.tsx";

const EVERY_MS = 5_000;
const PAGE = 50;
/** Beyond it, a filter finds what is looked for. */
const MOST_ROWS = 500;
const TYPED_AFTER_MS = 250;

export function Differences({ query }: { readonly query: URLSearchParams }) {
  const choice = choiceOf(query);
  const key = queryOf(choice).toString();
  return (
    <>
      <h1 class="hidden">Differences</h1>
      <Filters choice={choice} />
      {token.value === null ? (
        <SignIn what="rows that differ" />
      ) : (
        <Rows key={`${token.value} ${key}`} query={key} choice={choice} />
      )}
    </>
  );
}

/** The newest page is renewed; older ones are asked for once, by whoever wants them. Another choice is another component: nothing of it stays. */
function Rows({ query, choice }: { readonly query: string; readonly choice: Choice }) {
  const asked = new URLSearchParams(query);
  asked.set("limit", String(PAGE));
  const { answer, trouble } = useAsked("/differences", {
    ...{ query: asked.toString(), everyMs: EVERY_MS, version: tenantsVersion.value },
  });
  const older = useOlder(query);
  if (answer === null) return trouble === null ? <Loading what="differences" /> : <TroubleNote trouble={trouble} />;
  const newest = answer.differences;
  const before = (older.rows.at(-1) ?? newest.at(-1))?.entry;
  const known = new Set(newest.map(({ entry }) => entry));
  const rows = [...newest, ...older.rows.filter(({ entry }) => !known.has(entry))];
  const isMore = older.isEnd === null ? newest.length === PAGE : !older.isEnd;
  return (
    <>
      {trouble !== null && <TroubleNote trouble={trouble} title="What is shown is old." />}
      {rows.length === 0 && <p class="empty">{EMPTY[choice.state]}</p>}
      <ul class="differences" aria-label="Rows that differ">
        {rows.map((difference) => (
          <Row key={difference.entry} difference={difference} />
        ))}
      </ul>
      {older.trouble !== null && <TroubleNote trouble={older.trouble} />}
      {isMore && rows.length < MOST_ROWS && before !== undefined && (
        <p class="more">
          <button type="button" onClick={() => older.ask(before)}>
            Show older ones
          </button>
        </p>
      )}
    </>
  );
}

const EMPTY: Readonly<Record<Choice["state"], string>> = {
  open: "No row of what is chosen is known to differ.",
  gone: "No row of what is chosen differed and is equal again.",
  all: "No row of what is chosen was ever seen to differ.",
};

type Older = { readonly rows: readonly Difference[]; readonly isEnd: boolean | null; readonly trouble: Trouble | null };

function useOlder(query: string): Older & { readonly ask: (before: number) => void } {
  const [older, setOlder] = useState<Older>({ rows: [], isEnd: null, trouble: null });
  const gone = useRef(new AbortController());
  useEffect(() => {
    gone.current = new AbortController();
    return () => gone.current.abort();
  }, []);
  return {
    ...older,
    ask: (before) => {
      const { signal } = gone.current;
      const asked = new URLSearchParams(query);
      asked.set("limit", String(PAGE));
      asked.set("before", String(before));
      get("/differences", asked, signal).then(
        ({ differences }) =>
          signal.aborted ||
          setOlder(({ rows }) => {
            const known = new Set(rows.map(({ entry }) => entry));
            const more = differences.filter(({ entry }) => !known.has(entry));
            return { rows: [...rows, ...more], isEnd: differences.length < PAGE, trouble: null };
          }),
        (error: unknown) => signal.aborted || setOlder((known) => ({ ...known, trouble: asTrouble(error) })),
      );
    },
  };
}

function Filters({ choice }: { readonly choice: Choice }) {
  const change = (part: Partial<Choice>) => replaceHash(differencesAt(queryOf({ ...choice, ...part })));
  return (
    <search class="filters">
      <Text label="Tenant" hint="all" text={choice.tenant} onChange={(tenant) => change({ tenant })} />
      <Text label="Table" hint="all, or schema.table" text={choice.table} onChange={(table) => change({ table })} />
      <Choose
        label="State"
        value={choice.state}
        options={{ open: "differ now", gone: "are equal again", all: "both" }}
        onChange={(state) => change({ state })}
      />
      <Choose
        label="Feed"
        value={choice.feed}
        options={{ forward: "to the target", reverse: "home to the source" }}
        onChange={(feed) => change({ feed })}
      />
    </search>
  );
}

type ChooseProps<Value extends string> = {
  readonly label: string;
  readonly value: Value;
  readonly options: Readonly<Record<Value, string>>;
  readonly onChange: (value: Value) => void;
};

function Choose<Value extends string>({ label, value, options, onChange }: ChooseProps<Value>) {
  const values = Object.keys(options) as Value[];
  return (
    <label class="home">
      <span class="muted">{label}</span>
      <select
        value={value}
        onChange={({ currentTarget }) => onChange(values.find((one) => one === currentTarget.value) ?? value)}
      >
        {values.map((one) => (
          <option key={one} value={one}>
            {options[one]}
          </option>
        ))}
      </select>
    </label>
  );
}

type TextProps = {
  readonly label: string;
  readonly hint: string;
  readonly text: string;
  readonly onChange: (text: string) => void;
};

/** The whole name: the API compares it, and does not search in it. */
function Text({ label, hint, text, onChange }: TextProps) {
  const [typed, setTyped] = useState(text);
  const latest = useRef(onChange);
  latest.current = onChange;
  useEffect(() => setTyped(text), [text]);
  useEffect(() => {
    if (typed === text) return;
    const timer = setTimeout(() => latest.current(typed), TYPED_AFTER_MS);
    return () => clearTimeout(timer);
  }, [typed, text]);
  return (
    <label class="home">
      <span class="muted">{label}</span>
      <input
        type="search"
        dir="auto"
        autocomplete="off"
        spellcheck={false}
        placeholder={hint}
        value={typed}
        onInput={({ currentTarget: { value } }) => setTyped(value)}
      />
    </label>
  );
}
