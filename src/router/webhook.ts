import { isSigned } from "../route/signature.ts";
import { parseRouteEvent, type RouteEvent } from "./event.ts";

export type Delivered = {
  /** The request's body, byte by byte as it came. */
  readonly body: string;
  /** Its header `rehouse-signature`. */
  readonly signature: string;
  /** As in the migration file. */
  readonly secret: string;
  /** How old it may be. Default 300,000 ms. */
  readonly toleranceMs?: number;
};

/** The event of a webhook's request; undefined when it does not come from Rehouse, or not now. */
export function verifyWebhook({ body, signature, secret, toleranceMs = 300_000 }: Delivered): RouteEvent | undefined {
  return isSigned(body, signature, secret, Date.now(), toleranceMs) ? parseRouteEvent(body) : undefined;
}
