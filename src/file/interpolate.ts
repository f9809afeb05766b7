// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${VAR} is the syntax of the migration file
/** Environment variables, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

export type Interpolated = { text: string; mistakes: { found: string; expected: string; nearest: string | undefined }[] };

/** `$${` first, so that it is not read as `$` and `${`. An opening without a well-formed end is caught by the last alternative. */
const TOKEN = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\}|\$\{[^}]{0,40}\}?/g;

/**
 * Replaces `${VAR}` and `${VAR:-default}`; `$${` stands for a plain `${`. As in a shell the default also stands in for a variable that
 * is set and empty. Values are put in after the file was parsed, so a password with a colon or a quote cannot change its structure.
 */
export function interpolate(text: string, env: Environment): Interpolated {
  const mistakes: Interpolated["mistakes"] = [];
  const replaced = text.replace(TOKEN, (token: string, name: string | undefined, fallback: string | undefined) => {
    if (token === "$${") return "${";
    if (name === undefined) {
      mistakes.push({ found: token, expected: "${VAR} or ${VAR:-default}; a plain ${ is written $${", nearest: undefined });
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
  });
  return { text: replaced, mistakes };
}
