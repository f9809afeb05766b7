/**
 * How a webhook shows that it comes from Rehouse: an HMAC-SHA256 over the time and the body, with the secret that both sides have. The time
 * is under the signature, so that a recorded request is of no use later.
 */

import { createHmac, timingSafeEqual } from "node:crypto";

export const SIGNATURE_HEADER = "rehouse-signature";

/** `t=<seconds since 1970>,v1=<hex>` */
export function sign(body: string, secret: string, atMs: number): string {
  const seconds = Math.floor(atMs / 1000);
  return `t=${seconds},v1=${digest(body, secret, seconds).toString("hex")}`;
}

/** Whether the header is a signature of exactly this body with this secret, not older (or further ahead) than `toleranceMs`. */
export function isSigned(body: string, header: string, secret: string, nowMs: number, toleranceMs: number): boolean {
  const match = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/.exec(header);
  if (match === null) return false;
  const seconds = Number(match[1]);
  if (Math.abs(nowMs - seconds * 1000) > toleranceMs) return false;
  return timingSafeEqual(Buffer.from(match[2] ?? "", "hex"), digest(body, secret, seconds));
}

function digest(body: string, secret: string, seconds: number): Buffer {
  return createHmac("sha256", secret).update(`${seconds}.${body}`).digest();
}
