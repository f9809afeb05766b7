/**
 * One place that takes secrets out of text. Everything that a person, a log or a state table gets to see passes through here,
 * because messages of drivers and servers repeat the address they were given.
 *
 * It masks by shape, so it also works on text whose origin is unknown; it rather hides too much than too little.
 */

const MASK = "***";

const SECRET_WORD = "(?:ssl)?password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|sasl\\.jaas\\.config";

/** scheme://user:PASSWORD@, up to the last `@` before the path: a password may hold an unencoded `@`. */
const URL_PASSWORD = /([a-z][a-z0-9+.-]*:\/\/[^\s:@/?#"']*):([^\s/?#"']*)@/gi;
/** The same where the password holds an unencoded `/`, `?` or `#`. A bare port is not a password. */
const URL_PASSWORD_UNENCODED = /([a-z][a-z0-9+.-]*:\/\/[^\s:@/?#"']*):(?!\d+(?:[/?#,\s"']|$))(?!\*\*\*@)([^\s"']*)@/gi;
/** user:PASSWORD@host without a scheme, which is what a URL with a typing error looks like. */
const BARE_PASSWORD = /([^\s:@"'`]):(?!\*\*\*@)([^\s@"'`/]+)@(?=[\w[])/g;
/** password=..., password: ..., "password":"...", and the same for tokens: conninfo strings, query strings, JSON and YAML. */
const NAMED_SECRET = new RegExp(
  `(["']?(?:${SECRET_WORD})["']?\\s*[=:]\\s*)("(?:[^"\\\\]|\\\\.)*"|'(?:[^'\\\\]|\\\\.)*'|[^\\s&,;})\\]"']+)`,
  "gi",
);
const AUTH_HEADER = /\b(Basic|Bearer)\s+[A-Za-z0-9+/=._~-]{6,}/gi;

/** The text with passwords, SASL secrets, tokens and authorization headers masked, and each of `secrets` wherever it stands. */
export function redact(text: string, secrets: readonly string[] = []): string {
  let masked = text;
  for (const secret of secrets) {
    // A very short secret would mask half of the text and say by that what it is.
    if (secret.length >= 4) masked = masked.replaceAll(secret, MASK);
  }
  return masked
    .replace(URL_PASSWORD, `$1:${MASK}@`)
    .replace(URL_PASSWORD_UNENCODED, `$1:${MASK}@`)
    .replace(BARE_PASSWORD, `$1:${MASK}@`)
    .replace(NAMED_SECRET, (_all, name: string, value: string) => `${name}${quoteLike(value)}`)
    .replace(AUTH_HEADER, `$1 ${MASK}`);
}

/** The secrets that a server address carries, as written and as decoded, for {@link redact}. */
export function secretsOfUrl(url: string): string[] {
  if (!URL.canParse(url)) return [];
  const { password, searchParams } = new URL(url);
  const found = [password, searchParams.get("password"), searchParams.get("sslpassword")];
  return [...new Set(found.flatMap((secret) => (secret ? [secret, decoded(secret)] : [])))];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function quoteLike(value: string): string {
  const quote = value.startsWith('"') ? '"' : value.startsWith("'") ? "'" : "";
  return `${quote}${MASK}${quote}`;
}
