/** Which migration this is, how it is, and where one can go. */

import { isAsking, signOut, token } from "../api/session.ts";
import { connection, summary } from "../live/live.ts";
import { StateWord } from "../parts/StatusWord.tsx";
import { OVERVIEW, THROTTLE, tenantsAt, type View } from "./routes.ts";
import { choose, theme } from "./theme.ts";

export function Header({ view }: { readonly view: View }) {
  return (
    <header class="top">
      <div class="top-line">
        <a class="brand" href={OVERVIEW}>
          <span class="hidden">Rehouse: overview</span>
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <rect width="32" height="32" rx="7" />
            <path d="M6 16 14 9v14H6zM18 9l8 7v7h-8z" />
          </svg>
        </a>
        <Migration />
        <div class="top-end">
          <LiveWord />
          <ThemeSwitch />
          <Who />
        </div>
      </div>
      <nav aria-label="Views">
        <ul>
          <Item href={OVERVIEW} text="Overview" isHere={view === "overview"} />
          <Item href={tenantsAt()} text="Tenants" isHere={view === "tenants" || view === "tenant"} />
          <Item href={THROTTLE} text="Throttle" isHere={view === "throttle"} />
        </ul>
      </nav>
    </header>
  );
}

function Item({ href, text, isHere }: { readonly href: string; readonly text: string; readonly isHere: boolean }) {
  return (
    <li>
      <a href={href} aria-current={isHere ? "page" : undefined}>
        {text}
      </a>
    </li>
  );
}

function Migration() {
  const it = summary.value;
  if (it === null) return <span class="migration muted">Rehouse</span>;
  return (
    <>
      <bdi class="migration">{it.migration}</bdi>
      <StateWord state={it.state} />
    </>
  );
}

const CONNECTED = { connecting: "connecting", live: "live", lost: "connection lost", refused: "signed out" } as const;

function LiveWord() {
  const { kind } = connection.value;
  return (
    <span class={`live live-${kind}`} role="status">
      <span class="dot" aria-hidden="true" />
      <span class="live-text">{CONNECTED[kind]}</span>
    </span>
  );
}

function ThemeSwitch() {
  const other = theme.value === "dark" ? "light" : "dark";
  return (
    <button
      type="button"
      class="quiet icon"
      onClick={() => choose(other)}
      aria-label={`Show it ${other}`}
      title={`Show it ${other}`}
    >
      <svg viewBox="0 0 16 16" aria-hidden="true">
        <circle cx="8" cy="8" r="6.25" fill="none" stroke="currentColor" stroke-width="1.5" />
        <path d="M8 2a6 6 0 0 1 0 12z" fill="currentColor" />
      </svg>
    </button>
  );
}

function Who() {
  if (token.value !== null)
    return (
      <button type="button" class="quiet" onClick={() => signOut()}>
        Sign out
      </button>
    );
  if (summary.value === null) return null;
  return (
    <button
      type="button"
      class="quiet"
      aria-expanded={isAsking.value}
      onClick={() => {
        isAsking.value = !isAsking.value;
      }}
    >
      Sign in
    </button>
  );
}
