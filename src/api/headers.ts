/** Answers are data for programs: whatever a browser makes of one, nothing in it runs, and no other page sees it. */
const HEADERS = {
  "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
  "cache-control": "no-store",
} as const;

/** A year, as browsers ask for it before they believe it. */
const TRANSPORT = { "strict-transport-security": "max-age=31536000" } as const;

export function securityHeaders(isTls: boolean): Readonly<Record<string, string>> {
  return isTls ? { ...HEADERS, ...TRANSPORT } : HEADERS;
}
