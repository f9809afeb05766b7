/** The dashboard as it is built, served by the real API over an engine that holds documents. */

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import type { Access, TokenHolder } from "../../src/access/index.ts";
import { createServer } from "../../src/api/server.ts";
import type { StatusDocument } from "../../src/cli/documents.ts";
import type { Engine } from "../../src/cli/engine.ts";
import { createLogger } from "../../src/log.ts";
import { MIGRATION, metricsOf } from "../api/support.ts";
import { fakeEngine } from "../cli/support.ts";
import { DOCTOR, THROTTLE } from "./standing.ts";

const WEB = fileURLToPath(new URL("../../web", import.meta.url));

/** What stands for a token of each role. */
export const HOLDERS: Readonly<Record<string, TokenHolder>> = {
  vera: { id: "1", name: "vera", role: "viewer" },
  otto: { id: "2", name: "otto", role: "operator" },
  ada: { id: "3", name: "ada", role: "admin" },
};

/** Builds it as `npm run build` does, into a folder that goes with what is returned. */
export async function builtDashboard(): Promise<{ readonly directory: string } & Disposable> {
  const directory = mkdtempSync(join(tmpdir(), "rehouse-web-"));
  await build({ root: WEB, logLevel: "error", build: { outDir: directory, emptyOutDir: true } });
  return { directory, [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }) };
}

export type Served = {
  readonly url: string;
  /** Ends it and every connection; {@link Served.start} has it back at the same address. */
  stop(): Promise<void>;
  start(): Promise<void>;
} & AsyncDisposable;

/** `onLoopback` false: as it is elsewhere, where everything needs a token. */
export async function served(of: {
  readonly dashboard: string;
  readonly status: () => StatusDocument;
  readonly onLoopback?: boolean;
  /** What the engine does beside that. */
  readonly engine?: Partial<Engine>;
}): Promise<Served> {
  let port = 0;
  let server: ReturnType<typeof createServer> | undefined;
  const it = {
    stop: async () => {
      await server?.close();
      server = undefined;
    },
    start: async () => {
      const engine = engineOf(of.status, of.engine);
      server = createServer({
        ...{ engine, migration: MIGRATION, log: createLogger("silent"), tls: undefined, archive: undefined },
        ...{ metrics: metricsOf(engine), onLoopback: of.onLoopback ?? true, dashboard: of.dashboard },
      });
      await server.app.listen({ host: "127.0.0.1", port });
      const bound = server.app.server.address();
      if (typeof bound !== "object" || bound === null) throw new Error("it has no port");
      port = bound.port;
    },
  };
  await it.start();
  return { ...it, url: `http://127.0.0.1:${port}/`, [Symbol.asyncDispose]: it.stop };
}

function engineOf(status: () => StatusDocument, more: Partial<Engine> = {}): Engine {
  const { access, ...rest } = fakeEngine([], {
    status: async () => status(),
    doctor: async () => DOCTOR,
    throttled: async () => THROTTLE,
    ...more,
  });
  const knowing: Access = { ...access, authenticate: async (text) => HOLDERS[text] };
  return { ...rest, access: knowing };
}

/** Undefined: this machine has none. */
export function chromium(): string | undefined {
  const named = process.env["REHOUSE_CHROMIUM"];
  if (named !== undefined) return named;
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return ["chromium", "chromium-browser", "google-chrome"]
    .flatMap((name) => folders.map((folder) => join(folder, name)))
    .find((path) => existsSync(path));
}
