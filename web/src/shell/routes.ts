/** Addresses of views: what stands after `#`. Pure. A view that is new gets its line here, one in `App.tsx`, and a folder in `views/`. */

export type Route =
  | { readonly view: "overview" }
  | { readonly view: "tenants"; readonly query: URLSearchParams }
  | { readonly view: "tenant"; readonly tenant: string }
  | { readonly view: "throttle" }
  | { readonly view: "unknown"; readonly path: string };

export type View = Route["view"];

export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [first = "", second, ...rest] = path.split("/");
  const name = second === undefined ? undefined : decoded(second);
  if (rest.length > 0) return { view: "unknown", path };
  if (first === "" && second === undefined) return { view: "overview" };
  if (first === "tenants" && (name === undefined || name === "")) return { view: "tenants", query: new URLSearchParams(query) };
  if (first === "tenants" && name !== undefined) return { view: "tenant", tenant: name };
  if (first === "throttle" && second === undefined) return { view: "throttle" };
  return { view: "unknown", path };
}

export const OVERVIEW = "#/";
export const THROTTLE = "#/throttle";

export function tenantsAt(query: Readonly<Record<string, string>> | URLSearchParams = {}): string {
  const text = new URLSearchParams(query).toString();
  return text === "" ? "#/tenants" : `#/tenants?${text}`;
}

/** A tenant may have any name. */
export function tenantAt(tenant: string): string {
  return `#/tenants/${encodeURIComponent(tenant)}`;
}

/** An address that somebody has cut off in the middle of a `%` is one that leads nowhere, and no error. */
function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
