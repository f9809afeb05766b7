import { until, type Wait } from "../../stack/index.ts";

/**
 * Waits until `condition` gives something other than false or undefined, and returns that. There is no sleeping for a guessed time in
 * tests: what is awaited has a name, and a deadline after which the error says what did not come.
 */
export function waitUntil<T>(condition: () => Promise<T | false | undefined> | T | false | undefined, wait: Wait): Promise<T> {
  return until(condition, wait);
}
