/** The versions of Postgres that Rehouse is made for. */

import { error, type Finding, warning } from "./finding.ts";

const OLDEST = 14;
const NEWEST = 18;

export function versionFindings(side: "source" | "target", place: string, version: number): Finding[] {
  const major = Math.floor(version / 10_000);
  const at = `${side} ${place}`;
  if (major < OLDEST)
    return [
      error("server-version", at, `the server is Postgres ${major}; Rehouse needs ${OLDEST} or newer`, "upgrade the server"),
    ];
  if (major > NEWEST)
    return [
      warning(
        "server-version",
        at,
        `the server is Postgres ${major}; Rehouse was tested up to ${NEWEST}`,
        "rehearse the move on a copy first",
      ),
    ];
  return [];
}
