/** Files and facts of the package itself, found from the sources as well as from the built files one level deeper. */

import { readFileSync } from "node:fs";

function read(path: string): string {
  for (const root of ["../", "../../"]) {
    try {
      return readFileSync(new URL(root + path, import.meta.url), "utf8");
    } catch {
      // Not at this level.
    }
  }
  throw new Error(`the package lacks ${path}`);
}

/** Files of schemas/state: what is referred to comes first. */
const STATE = [
  "migration",
  "copy",
  "stream",
  "comparison",
  "routes",
  "switch",
  "foreign-writes",
  "fence",
  "access",
  "throttle",
] as const;

/** The statements that install or renew the state tables. */
export function stateSql(): string {
  return STATE.map((name) => read(`schemas/state/${name}.sql`)).join("\n");
}

export function packageVersion(): string {
  const found: unknown = JSON.parse(read("package.json"));
  return typeof found === "object" && found !== null && "version" in found && typeof found.version === "string"
    ? found.version
    : "unknown";
}
