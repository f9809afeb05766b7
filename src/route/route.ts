/** The side of a migration whose writes are the truth for a tenant. */
export type Home = "source" | "target";

/** One change of a tenant's home. A higher generation is a later one; whoever knows a higher one forgets this. */
export type RouteChange = {
  readonly migration: string;
  readonly tenant: string;
  readonly home: Home;
  /** The tenant's own schema at its home; null where it shares one. */
  readonly schema: string | null;
  readonly generation: number;
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
};

/** Whom a change is told besides those who listen on the database. */
export const CHANNELS = ["topic", "webhook"] as const;
export type ChannelName = (typeof CHANNELS)[number];
