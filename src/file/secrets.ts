import { secretsOfUrl } from "../redact.ts";
import type { MigrationFile } from "./migration-file.ts";

/** Every secret that the file holds or was given through its variables, so that it can be hidden wherever it turns up. */
export function secretsOf({ source, target, kafka, registry, route, rollback }: MigrationFile): string[] {
  const urls = [source, target].flatMap(({ url, replicationUrl }) => [url, replicationUrl]);
  const criteria = rollback.possible ? rollback.when.flatMap((one) => (one.kind === "http" ? [one.url] : [])) : [];
  const ofUrls = [...urls, registry.url, ...criteria, ...(route.webhook === undefined ? [] : [route.webhook.url])].flatMap(
    ofAddress,
  );
  const keys = [source.tls, target.tls, kafka.ssl].flatMap((tls) => (tls ? (tls.key ?? []) : []));
  const auth = registry.auth === undefined ? [] : "token" in registry.auth ? [registry.auth.token] : ofAccount(registry.auth);
  const sasl = kafka.sasl === undefined ? [] : ofAccount(kafka.sasl);
  const webhook = route.webhook === undefined ? [] : [route.webhook.secret];
  return [...new Set([...ofUrls, ...auth, ...sasl, ...webhook, ...keys])];
}

function ofAccount({ username, password }: { readonly username: string; readonly password: string }): string[] {
  return username.includes(password) ? [] : [password];
}

/**
 * A password that is also the user, the database or a part of the host is nobody's secret, but a word that explains every second message:
 * it is masked by its place alone.
 */
function ofAddress(url: string): string[] {
  if (!URL.canParse(url)) return [];
  const { username, host, pathname } = new URL(url);
  const rest = `${username} ${host} ${pathname}`;
  return secretsOfUrl(url).filter((secret) => !rest.includes(secret));
}
