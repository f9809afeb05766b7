import { oneLine } from "../format.ts";

/**
 * Whether somebody has typed the name, as it is shown: what cannot be seen of it (a line break, what turns text around) nobody can type. Which one is
 * meant goes to the server as it is. Pure.
 */
export function isTyped(typed: string, name: string): boolean {
  // Of a name of blanks alone there is nothing to be seen.
  return shown(name) === "" ? typed !== "" && typed === name : shown(typed) === shown(name);
}

function shown(text: string): string {
  return oneLine(text).replaceAll(/\s+/g, " ").trim().normalize("NFC");
}
