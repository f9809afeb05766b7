/** A change of a tenant's home, as the notification, the webhook and a message of the routes topic have it. */
export type RouteEvent = {
  readonly migration: string;
  readonly tenant: string;
  readonly home: "source" | "target";
  /** The tenant's own schema at its home; undefined where it shares one. */
  readonly schema: string | undefined;
  readonly generation: number;
};

/** From JSON; undefined for what is none. */
export function parseRouteEvent(json: string): RouteEvent | undefined {
  try {
    return readRouteEvent(JSON.parse(json));
  } catch {
    return undefined;
  }
}

/** From an object with these fields: a parsed message, or a row of rehouse.route (whose bigint is text). */
export function readRouteEvent(from: unknown): RouteEvent | undefined {
  if (typeof from !== "object" || from === null) return undefined;
  const field = (name: string): unknown => Reflect.get(from, name);
  const [migration, tenant, home, schema] = [field("migration"), field("tenant"), field("home"), field("schema")];
  const generation = Number(field("generation"));
  if (typeof migration !== "string" || typeof tenant !== "string" || !isSide(home)) return undefined;
  if (!Number.isSafeInteger(generation) || generation < 1) return undefined;
  return { migration, tenant, home, schema: typeof schema === "string" ? schema : undefined, generation };
}

export function isSide(value: unknown): value is RouteEvent["home"] {
  return value === "source" || value === "target";
}
