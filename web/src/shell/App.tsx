/** The page around the views: which one is shown, and where the focus goes when it changes. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { isAsking, refused, token } from "../api/session.ts";
import { connection, summary } from "../live/live.ts";
import { Overview } from "../views/overview/Overview.tsx";
import { Tenants } from "../views/tenants/Tenants.tsx";
import { TenantView } from "../views/tenants/TenantView.tsx";
import { ThrottleView } from "../views/throttle/ThrottleView.tsx";
import { ConnectionNote } from "./ConnectionNote.tsx";
import { Header } from "./Header.tsx";
import { route } from "./location.ts";
import { OVERVIEW, type Route } from "./routes.ts";
import { SignIn } from "./SignIn.tsx";

const TITLES: Readonly<Record<Route["view"], string>> = {
  overview: "Overview",
  tenants: "Tenants",
  tenant: "Tenant",
  throttle: "Throttle",
  unknown: "Not found",
};

export function App() {
  const at = route.value;
  const main = useRef<HTMLElement>(null);
  const place = at.view === "tenant" ? `tenant ${at.tenant}` : at.view;
  const isFirst = useRef(true);
  // A new place is the reason, and nothing else
  useEffect(() => {
    const migration = summary.peek()?.migration;
    document.title = [TITLES[at.view], migration, "Rehouse"].filter((part) => part !== undefined).join(" · ");
    // Whoever goes by the keyboard, or listens, is where the new view begins. On loading, the browser has its own order.
    if (!isFirst.current) main.current?.focus({ preventScroll: true });
    isFirst.current = false;
    window.scrollTo(0, 0);
  }, [place]);
  const isClosed = connection.value.kind === "refused" && summary.value === null;
  const isSigningIn = token.value === null && (isClosed || isAsking.value || refused.value !== null);
  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        Skip to the content
      </button>
      <Header view={at.view} />
      <main id="main" ref={main} tabIndex={-1} class={`view view-${at.view}`}>
        <ConnectionNote />
        {isClosed && <h1 class="hidden">Sign in</h1>}
        {isSigningIn && <SignIn what={isClosed ? "this migration" : "all of it"} />}
        {!isClosed && viewOf(at)}
      </main>
    </>
  );
}

function viewOf(at: Route): ComponentChildren {
  switch (at.view) {
    case "overview":
      return <Overview />;
    case "tenants":
      return <Tenants query={at.query} />;
    case "tenant":
      return <TenantView key={at.tenant} tenant={at.tenant} />;
    case "throttle":
      return <ThrottleView />;
    case "unknown":
      return (
        <section class="panel">
          <h1>There is nothing here</h1>
          <p>
            No view is at <code>#/{at.path}</code>. <a href={OVERVIEW}>Go to the overview</a>
          </p>
        </section>
      );
  }
}
