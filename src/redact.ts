/**
 * One place that takes secrets out of text. Everything that a person, a log or a state table gets to see passes through here,
 * because messages of drivers and servers repeat the address they were given.
 *
 * It masks by shape, so it also works on text whose origin is unknown; it rather hides too much than too little. What this process
 * was told to hide ({@link hide}) is masked wherever it stands.
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

/** Every form in which a secret that this process knows may stand in a text. Longer ones first: one may be part of another. */
let hidden: readonly string[] = [];

/** From now on these are masked wherever they stand, in every form that an address, a header or a JSON text gives them. */
export function hide(secrets: readonly string[]): void {
  hidden = [...new Set([...hidden, ...secrets.flatMap(formsOf)])].sort((a, b) => b.length - a.length);
}

/** A very short secret would mask half of a text, and say by that what it is. Where nobody points at the text it has to be longer. */
const SHORTEST = 4;
const SHORTEST_HIDDEN = 6;

function formsOf(secret: string): string[] {
  const forms = [
    secret,
    decoded(secret),
    encodeURIComponent(secret),
    encodeURI(secret),
    JSON.stringify(secret).slice(1, -1),
    Buffer.from(secret).toString("base64"),
  ];
  return secret.length < SHORTEST_HIDDEN ? [] : forms;
}

/** The text with passwords, SASL secrets, tokens and authorization headers masked, and each of `secrets` wherever it stands. */
export function redact(text: string, secrets: readonly string[] = []): string {
  let masked = text;
  for (const secret of secrets) if (secret.length >= SHORTEST) masked = masked.replaceAll(secret, MASK);
  for (const secret of hidden) masked = masked.replaceAll(secret, MASK);
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

/** Every text in it redacted; names of fields, numbers and the rest as they are. For what is JSON already. */
export function redactDeep(value: unknown): unknown {
  if (typeof value === "string") return redact(value);
  if (Array.isArray(value)) return value.map(redactDeep);
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, redactDeep(item)]));
  return value;
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
