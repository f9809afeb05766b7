/**
 * The text of a token: `rht_<id>_<secret>`. The id finds its row and may be shown; the secret is known to its holder alone.
 *
 * A single SHA-256 is what is kept of the secret. scrypt and its like make guessing dear where people choose the secret; here it is 256
 * random bits, which nobody guesses at any price, and a hash that takes 50 ms of a core would be a lever against the server.
 */

import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

const TOKEN = /^rht_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;

export type NewToken = { readonly id: string; readonly text: string; readonly hash: string };

export function newToken(): NewToken {
  const id = randomBytes(8).toString("hex");
  const secret = randomBytes(32).toString("base64url");
  return { id, text: `rht_${id}_${secret}`, hash: hashOf(secret).toString("hex") };
}

/** Undefined for what is no token by its form. */
export function parseToken(text: string): { readonly id: string; readonly secret: string } | undefined {
  const [, id, secret] = TOKEN.exec(text) ?? [];
  return id === undefined || secret === undefined ? undefined : { id, secret };
}

/** In a time that says nothing about how much of it is right. */
export function isSecretOf(hash: string, secret: string): boolean {
  const [kept, given] = [Buffer.from(hash, "hex"), hashOf(secret)];
  return kept.length === given.length && timingSafeEqual(kept, given);
}

function hashOf(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}
