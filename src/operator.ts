import { hostname, userInfo } from "node:os";

/** Who runs this process, for the journal: `user@host`. */
export function operatorName(): string {
  return `${userName()}@${hostname()}`;
}

/** A container may run under a uid that no user has. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? "unknown"}`;
  }
}
