import type { Access, AuditEntry, Deed, TokenHolder } from "../../src/access/index.ts";
import { type ApiServer, createServer, type ServerSettings } from "../../src/api/server.ts";
import type { Engine } from "../../src/cli/engine.ts";
import { createLogger } from "../../src/log.ts";
import { MigrationMetrics } from "../../src/metrics/index.ts";
import { type Call, fakeEngine, status, tenant } from "../cli/support.ts";

export const MIGRATION = "move-enterprise";
/** A token of each role; the text is the name. */
export const HOLDERS: Readonly<Record<string, TokenHolder>> = {
  vera: { id: "1", name: "vera", role: "viewer" },
  otto: { id: "2", name: "otto", role: "operator" },
  ada: { id: "3", name: "ada", role: "admin" },
};

export type Noted = Deed & Pick<AuditEntry, "outcome" | "code">;

export type Api = {
  readonly server: ApiServer;
  readonly calls: Call[];
  readonly audit: Noted[];
  get(path: string, headers?: Record<string, string>): Promise<Answer>;
  /** With the token of `by`. */
  post(by: string | undefined, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
} & AsyncDisposable;

type Answer = { readonly status: number; readonly headers: Record<string, unknown>; readonly body: never };

export function bearer(name: string): Record<string, string> {
  return { authorization: `Bearer ${name}` };
}

export function metricsOf(engine: Engine): MigrationMetrics {
  const status = () => engine.status(new AbortController().signal);
  return new MigrationMetrics({ migration: MIGRATION, version: "1.2.3", status, log: createLogger("silent") });
}

/** The API over an engine that answers what a test gives it, asked without a socket. */
export function api(answers: Partial<Engine> = {}, more: Partial<ServerSettings> = {}): Api {
  const [calls, audit]: [Call[], Noted[]] = [[], []];
  const { access, ...rest } = fakeEngine(calls, {
    status: async () => status({ tenants: ["42", "43"].map((name) => tenant(name, "in-sync")) }),
    ...answers,
  });
  const remembering: Access = {
    ...access,
    authenticate: async (text) => HOLDERS[text],
    begin: async (deed, outcome = "begun") => audit.push({ ...deed, outcome, code: null }),
    end: async (entry, outcome, code) => void Object.assign(audit[entry - 1] ?? {}, { outcome, code }),
    audit: async () => audit.map((noted, index) => ({ ...noted, entry: index + 1, at: "", endedAt: null })),
  };
  const engine: Engine = { ...rest, access: remembering };
  const log = createLogger("silent");
  const server = createServer({
    ...{ engine, migration: MIGRATION, log, onLoopback: true, tls: undefined, archive: undefined, metrics: metricsOf(engine) },
    ...more,
  });
  const ask = async (method: "GET" | "POST", url: string, headers: Record<string, string>, payload?: string): Promise<Answer> => {
    const sent = { host: "127.0.0.1:7070", ...headers };
    const {
      statusCode,
      headers: answered,
      body,
    } = await server.app.inject({
      ...{ method, url, headers: sent },
      ...(payload === undefined ? {} : { payload }),
    });
    return { status: statusCode, headers: answered, body: JSON.parse(body) as never };
  };
  return {
    ...{ server, calls, audit },
    get: (path, headers = {}) => ask("GET", path, headers),
    post: (by, path, body = {}, headers = {}) =>
      ask(
        "POST",
        path,
        { "content-type": "application/json", ...(by === undefined ? {} : bearer(by)), ...headers },
        typeof body === "string" ? body : JSON.stringify(body),
      ),
    [Symbol.asyncDispose]: () => server.close(),
  };
}
