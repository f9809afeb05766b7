/** The dashboard's files, as `npm run build` made them: those and no others, each under its own address. They hold no data, so nobody is asked for a token. */

import { readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import type { FastifyInstance } from "fastify";

/** Of the package; in a checkout, what `npm run build` leaves there. */
export const BUILT_DASHBOARD = join(import.meta.dirname, import.meta.filename.endsWith(".ts") ? "../../dist/web" : "../../web");

/** Only what came from here runs, is shown and is asked. Not even a style may stand in the page itself. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "form-action 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** The name of what lies here has a hash of its content: other content has another address. */
const HASHED = "/assets/";
const FOR_EVER = "public, max-age=31536000, immutable";

type File = { readonly path: string; readonly type: string; readonly body: Buffer };

export function serveDashboard(app: FastifyInstance, directory: string): void {
  const files = filesIn(directory);
  for (const { path, type, body } of files)
    app.get(path, async (_request, reply) =>
      reply
        .headers({ "content-security-policy": POLICY, ...(path.startsWith(HASHED) ? { "cache-control": FOR_EVER } : {}) })
        .type(type)
        .send(body),
    );
  if (files.some(({ path }) => path === "/")) return;
  app.get("/", async (_request, reply) =>
    reply
      .code(404)
      .type("text/plain; charset=utf-8")
      .send("The dashboard is not built. `npm run build` builds it; then start this again.\n\nThe API is at /api/v1.\n"),
  );
}

/** Read once: they are few, and what is built anew while this runs is another version's. */
function filesIn(directory: string): File[] {
  return namesIn(directory).flatMap((name) => {
    const type = TYPES[extname(name)];
    if (type === undefined) return [];
    const path = name === "index.html" ? "/" : `/${name}`;
    return { path, type, body: readFileSync(join(directory, name)) };
  });
}

/** Relative to the directory, with `/`; none where there is no directory. */
function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory, { recursive: true, encoding: "utf8" }).map((name) => name.replaceAll("\\", "/"));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}
