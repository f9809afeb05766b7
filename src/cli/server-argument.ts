// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${VAR} is the syntax of the migration file
import { RehouseError } from "../errors.ts";
import { interpolate } from "../file/index.ts";
import type { Io } from "./io.ts";

/**
 * The URL of a server that was named as an argument of `option`, with `${VAR}` and `${file:path}` as in the migration file. An argument can be read by
 * every user of the machine for as long as the process lives, so a password itself is refused there.
 */
export function serverArgument(option: string, given: string, env: Io["env"]): string {
  const { text, mistakes } = interpolate(given, env, ".");
  const [mistake] = mistakes;
  if (mistake !== undefined)
    throw new RehouseError("REHOUSE_USAGE", { what: `${option} has ${mistake.found}.`, fix: `expected is ${mistake.expected}` });
  if (!URL.canParse(text) || !["postgres:", "postgresql:"].includes(new URL(text).protocol))
    throw new RehouseError("REHOUSE_USAGE", {
      what: `${option} is not a Postgres URL.`,
      fix: `${option} postgres://user@host:5432/database`,
    });
  if (!given.includes("${") && new URL(text).password !== "")
    throw new RehouseError("REHOUSE_USAGE", {
      what: `${option} has a password, which every user of this machine can read among the processes.`,
      fix: `set it as a variable, and name that in single quotes: ${option} '\${COPY_URL}'`,
    });
  return text;
}
