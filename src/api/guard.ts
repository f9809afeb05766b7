/**
 * Keeps pages of other sites away. A browser sends requests to any address that a page names, also to one that only this machine can reach, so that an
 * address is no proof of who asks. There are no cookies, hence nothing that a browser would add by itself; what is left is what needs no token.
 */

import { RehouseError } from "../errors.ts";

const LOOPBACK_NAMES = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/i;

export function isLoopback(host: string): boolean {
  return LOOPBACK_NAMES.test(host === "::1" ? "[::1]" : host);
}

type Headers = {
  readonly host: string | undefined;
  readonly origin: string | undefined;
  /** Sec-Fetch-Site, which no page can set. */
  readonly fetchSite: string | undefined;
  /** Whether the dashboard's own page is opened in a tab. It holds no data, the page that led there cannot look into it, and no frame shows it. */
  readonly opensDashboard: boolean;
};

/** `onLoopback`: whether the server listens there. Undefined: it may go on. */
export function refusalOf({ host, origin, fetchSite, opensDashboard }: Headers, onLoopback: boolean): RehouseError | undefined {
  // A name of the page's own that leads to 127.0.0.1 (DNS rebinding) makes the page and the API one site. Its name betrays it.
  if (onLoopback && !LOOPBACK_NAMES.test(nameOf(host)))
    return new RehouseError("REHOUSE_FORBIDDEN", {
      what: "the Host header names another host than this one",
      fix: "ask for http://127.0.0.1 or http://localhost",
    });
  const isForeign = origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== host?.toLowerCase());
  if (!isForeign && (opensDashboard || fetchSite === undefined || fetchSite === "same-origin" || fetchSite === "none"))
    return undefined;
  return new RehouseError("REHOUSE_FORBIDDEN", {
    what: "a page of another site cannot use the API from a browser",
    fix: "ask from a program, or from a page that this server serves",
  });
}

/** Without the port. */
function nameOf(host: string | undefined): string {
  return (host ?? "").replace(/:\d+$/, "");
}
