/** All tenants: filtered and sorted by the server, drawn as far as they are seen. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { Phase } from "../../api/types.ts";
import { many, whole } from "../../format.ts";
import { summary, tenantsVersion } from "../../live/live.ts";
import { Loading } from "../../parts/Loading.tsx";
import { TroubleNote } from "../../parts/TroubleNote.tsx";
import { VirtualTable } from "../../parts/VirtualTable.tsx";
import { replaceHash } from "../../shell/location.ts";
import { tenantAt, tenantsAt } from "../../shell/routes.ts";
import { COLUMNS } from "./columns.tsx";
import { type Filter, filterOf, queryOf } from "./filter.ts";
import { useTenantPages } from "./pages.ts";
import { PHASES } from "./phases.ts";

/** While somebody types, the server is asked after the last letter. */
const TYPED_AFTER_MS = 120;

export function Tenants({ query }: { readonly query: URLSearchParams }) {
  const filter = filterOf(query);
  const key = queryOf(filter).toString();
  const { total, isThere, trouble, rowAt, onRange } = useTenantPages(key, tenantsVersion.value);
  const change = (part: Partial<Filter>) => replaceHash(tenantsAt(queryOf({ ...filter, ...part })));
  return (
    <>
      <h1 class="hidden">Tenants</h1>
      <Filters filter={filter} onChange={change} shown={isThere ? total : null} />
      {trouble !== null && <TroubleNote trouble={trouble} title={isThere ? "What is shown is old." : undefined} />}
      {!isThere && trouble === null && <Loading what="tenants" />}
      {isThere && (
        <VirtualTable
          label="Tenants"
          columns={COLUMNS}
          listKey={key}
          order={filter.order}
          onOrder={(order) => change({ order })}
          onOpen={({ tenant }) => {
            location.hash = tenantAt(tenant);
          }}
          {...{ total, rowAt, onRange }}
        />
      )}
      {isThere && total === 0 && (
        <p class="empty">
          No tenant is like that. <a href={tenantsAt()}>Show all</a>
        </p>
      )}
    </>
  );
}

type FiltersProps = {
  readonly filter: Filter;
  readonly onChange: (part: Partial<Filter>) => void;
  readonly shown: number | null;
};

function Filters({ filter, onChange, shown }: FiltersProps) {
  const counts = summary.value?.tenants;
  const turned = (phase: Phase) =>
    filter.phases.includes(phase) ? filter.phases.filter((one) => one !== phase) : [...filter.phases, phase];
  return (
    <search class="filters">
      <Search text={filter.search} onChange={(search) => onChange({ search })} />
      <fieldset class="chips">
        <legend class="hidden">State</legend>
        <Chip
          text="needs a person"
          count={counts?.needPerson}
          isOn={filter.needsPerson}
          onTurn={() => onChange({ needsPerson: !filter.needsPerson })}
        />
        {PHASES.map((phase) => (
          <Chip
            key={phase}
            text={phase}
            count={counts?.phases[phase]}
            isOn={filter.phases.includes(phase)}
            onTurn={() => onChange({ phases: turned(phase) })}
          />
        ))}
      </fieldset>
      <label class="home">
        <span class="muted">Home</span>
        <select
          value={filter.home ?? ""}
          onChange={({ currentTarget: { value } }) => onChange({ home: value === "source" || value === "target" ? value : null })}
        >
          <option value="">any</option>
          <option value="source">source</option>
          <option value="target">target</option>
        </select>
      </label>
      <span class="shown muted">
        {shown === null
          ? ""
          : counts === undefined || counts.total === shown
            ? many(shown, "tenant")
            : `${whole(shown)} of ${many(counts.total, "tenant")}`}
      </span>
    </search>
  );
}

function Search({ text, onChange }: { readonly text: string; readonly onChange: (text: string) => void }) {
  const [typed, setTyped] = useState(text);
  const latest = useRef(onChange);
  latest.current = onChange;
  // The address may be changed from elsewhere: a link, or Back.
  useEffect(() => setTyped(text), [text]);
  useEffect(() => {
    if (typed === text) return;
    const timer = setTimeout(() => latest.current(typed), TYPED_AFTER_MS);
    return () => clearTimeout(timer);
  }, [typed, text]);
  return (
    <input
      type="search"
      aria-label="Part of the name"
      placeholder="Part of the name"
      autocomplete="off"
      spellcheck={false}
      maxLength={200}
      value={typed}
      onInput={({ currentTarget: { value } }) => setTyped(value)}
    />
  );
}

type ChipProps = {
  readonly text: string;
  readonly count: number | undefined;
  readonly isOn: boolean;
  readonly onTurn: () => void;
};

function Chip({ text, count, isOn, onTurn }: ChipProps) {
  return (
    <button type="button" class="chip" aria-pressed={isOn} onClick={onTurn}>
      {text}
      {count !== undefined && <span class="chip-count">{whole(count)}</span>}
    </button>
  );
}
