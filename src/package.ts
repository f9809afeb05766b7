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

/** The statements that install or renew the state tables. */
export function stateSql(): string {
  return read("schemas/state.sql");
}

export function packageVersion(): string {
  const found: unknown = JSON.parse(read("package.json"));
  return typeof found === "object" && found !== null && "version" in found && typeof found.version === "string"
    ? found.version
    : "unknown";
}
