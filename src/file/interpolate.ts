// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${VAR} is the syntax of the migration file
import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";

/** Environment variables, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

export type Interpolated = { text: string; mistakes: { found: string; expected: string; nearest: string | undefined }[] };

/** `$${` first, so that it is not read as `$` and `${`. An opening without a well-formed end is caught by the last alternative. */
const TOKEN = /\$\$\{|\$\{file:([^{}]+)\}|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\}|\$\{[^}]{0,40}\}?/g;

/**
 * Replaces `${VAR}`, `${VAR:-default}` and `${file:path}`; `$${` stands for a plain `${`. As in a shell the default also stands in for a variable
 * that is set and empty. Values are put in after the file was parsed, so a password with a colon or a quote cannot change its structure.
 * `directory`: what paths are beside.
 */
export function interpolate(text: string, env: Environment, directory: string): Interpolated {
  const mistakes: Interpolated["mistakes"] = [];
  const replaced = text.replace(
    TOKEN,
    (token: string, path: string | undefined, name: string | undefined, fallback: string | undefined) => {
      if (token === "$${") return "${";
      if (path !== undefined) {
        const secret = readSecret(resolve(directory, path));
        if ("text" in secret) return secret.text;
        mistakes.push({
          found: `${token}, ${secret.problem}`,
          expected: "the path of a file with the value, beside the migration file or from the root",
          nearest: undefined,
        });
        return token;
      }
      if (name === undefined) {
        mistakes.push({
          found: token,
          expected: "${VAR}, ${VAR:-default} or ${file:path}; a plain ${ is written $${",
          nearest: undefined,
        });
        return token;
      }
      const value = env[name];
      if (fallback !== undefined) return value === undefined || value === "" ? fallback : value;
      if (value !== undefined) return value;
      mistakes.push({
        found: `\${${name}}, which is not set`,
        expected: `the environment variable ${name}, or a default: \${${name}:-...}`,
        nearest: undefined,
      });
      return token;
    },
  );
  return { text: replaced, mistakes };
}

/** A secret is a line or a key; whoever names a data file has meant another one. */
const MOST_BYTES = 64 * 1024;

/** As a shell's $(cat file): without the line ends that editors and `echo` leave behind. */
function readSecret(path: string): { text: string } | { problem: string } {
  try {
    const found = statSync(path);
    if (!found.isFile()) return { problem: "which is not a file" };
    if (found.size > MOST_BYTES) return { problem: `which is larger than ${MOST_BYTES} bytes` };
    const text = readFileSync(path, "utf8").replace(/[\r\n]+$/, "");
    return text === "" ? { problem: "which is empty" } : { text };
  } catch {
    return { problem: "which cannot be read" };
  }
}
