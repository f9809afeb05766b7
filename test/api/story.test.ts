/** The API of a running migration, from the outside: as a dashboard, a script and an attacker meet it. */

import { afterEach, expect, test } from "vitest";
import type { AuditEntry } from "../../src/access/index.ts";
import { type FileBody, Migration, type RehouseProcess, waitUntil } from "../support/index.ts";

const HOSTILE = `"; DROP TABLE rehouse.tenant; --`;
const SOURCE = `
  CREATE TABLE orders (tenant text, id bigint, total numeric, PRIMARY KEY (tenant, id));
  INSERT INTO orders SELECT t, n, n FROM unnest(ARRAY['42', '43', $name$${HOSTILE}$name$]) AS t, generate_series(1, 50) AS n;`;
const FILE: FileBody = {
  tenants: { column: "tenant", move: ["42", "43", HOSTILE] },
  tables: { orders: {} },
  kafka: { partitions: 1 },
};

/** What is asked from outside. */
class Outside {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  async get(path: string, token?: string) {
    return answerOf(await fetch(`${this.#url}${path}`, { headers: { ...bearer(token) } }));
  }

  async post(path: string, token: string | undefined, body: unknown = {}) {
    const headers = { "content-type": "application/json", ...bearer(token) };
    return answerOf(await fetch(`${this.#url}${path}`, { method: "POST", headers, body: JSON.stringify(body) }));
  }

  /** Begins an operation and follows it to its end. */
  async done(path: string, token: string, body: unknown) {
    const { status, body: begun } = await this.post(path, token, body);
    expect(status, JSON.stringify(begun)).toBe(202);
    const ended = async () => {
      const { body: now } = await this.get(`/api/v1/operations/${begun.id}`, token);
      return now.endedAt !== null && now;
    };
    return waitUntil(ended, { deadlineMs: 60_000, what: `${path} to end`, everyMs: 50 });
  }

  /** Listens until `signal` aborts. */
  async listen(token: string, signal: AbortSignal, lastEventId?: string): Promise<Heard[]> {
    const heard: Heard[] = [];
    const headers = { ...bearer(token), ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId }) };
    const { body } = await fetch(`${this.#url}/api/v1/events`, { headers, signal });
    void read(body, heard).catch(() => undefined);
    return heard;
  }
}

async function answerOf(response: Response) {
  return { status: response.status, body: JSON.parse(await response.text()) };
}

type Heard = NonNullable<ReturnType<typeof heardIn>>;

/** Undefined for a comment, such as a heartbeat. */
function heardIn(frame: string) {
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(frame)?.[1];
  const event = field("event");
  return event === undefined ? undefined : { id: field("id") ?? "", event, data: JSON.parse(field("data") ?? "") };
}

async function read(body: ReadableStream<Uint8Array> | null, heard: Heard[]): Promise<void> {
  let text = "";
  for await (const chunk of body ?? []) {
    text += Buffer.from(chunk).toString();
    const frames = text.split("\n\n");
    text = frames.pop() ?? "";
    heard.push(...frames.flatMap((frame) => heardIn(frame) ?? []));
  }
}

function bearer(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

async function token(migration: Migration, role: string): Promise<string> {
  const { out, code } = await migration.rehouse("serve", "token", "create", "--role", role, "--name", role);
  expect(code).toBe(0);
  return out.trim();
}

/** Where `run --serve` says that it listens. */
function url(run: RehouseProcess): Promise<string> {
  return waitUntil(() => /http:\/\/127\.0\.0\.1:\d+/.exec(run.said)?.[0], { deadlineMs: 30_000, what: "the API to listen" });
}

const listening = new AbortController();
afterEach(() => listening.abort());

test("a tenant is switched through the API: tried first, confirmed, seen by all who listen, and in the audit", {
  timeout: 180_000,
}, async () => {
  await using migration = await Migration.prepare({ source: SOURCE, file: FILE });
  const elsewhere = await migration.rehouse("serve", "--listen", "0.0.0.0:0", "--insecure-listen", "--json");
  expect(elsewhere).toMatchObject({ code: 2, out: expect.stringContaining("REHOUSE_UNSAFE_LISTEN") });
  const [admin, viewer] = await Promise.all([token(migration, "admin"), token(migration, "viewer")]);
  const run = migration.run("--serve", "127.0.0.1:0");
  const api = new Outside(await url(run));
  expect((await api.get("/livez")).status).toBe(200);
  await migration.inSync(run);

  expect(await api.get("/readyz")).toMatchObject({ status: 200, body: { ready: true, roles: { capture: true, control: true } } });
  expect(await api.get("/api/v1/status")).toMatchObject({ status: 200, body: { state: "running", tenants: { length: 3 } } });
  const cutover = { tenants: ["42"], confirm: ["42"] };
  for (const [who, status] of [
    [undefined, 401],
    [`${admin.slice(0, -1)}${admin.endsWith("A") ? "B" : "A"}`, 401],
    [viewer, 403],
  ] as const)
    expect(await api.post("/api/v1/cutover", who, cutover)).toMatchObject({ status });
  expect(await api.post("/api/v1/cutover", admin, { tenants: ["42"] })).toMatchObject({ status: 422 });
  expect(await api.post("/api/v1/cutover", admin, { tenants: ["44"], confirm: ["44"] })).toMatchObject({ status: 404 });

  const heard = await api.listen(viewer, listening.signal);
  const dry = await api.done("/api/v1/cutover", admin, { tenants: ["42"], dryRun: true });
  expect(dry).toMatchObject({ state: "done", ok: true, result: { tenants: [{ outcome: "ready" }] } });
  const wet = await api.done("/api/v1/cutover", admin, cutover);
  expect(wet).toMatchObject({ state: "done", ok: true, result: { tenants: [{ tenant: "42", outcome: "switched" }] } });
  expect(await api.get("/api/v1/tenants?home=target")).toMatchObject({ body: { total: 1, tenants: [{ tenant: "42" }] } });

  // Whoever listens has heard of it, and whoever comes back hears what came after the event that was seen last.
  const isSoaking = ({ event, data }: Heard) =>
    event === "tenants" && data.tenants.some((one: { phase: string }) => one.phase === "soaking");
  await waitUntil(() => heard.some(isSoaking), { deadlineMs: 15_000, what: "the switch to be heard of" });
  const operations = heard.filter(({ event }) => event === "operation").map(({ data }) => [data.action, data.state]);
  expect(operations).toEqual(
    expect.arrayContaining([
      ["cutover", "running"],
      ["cutover", "done"],
    ]),
  );
  const back = await api.listen(viewer, listening.signal, heard[1]?.id);
  await waitUntil(() => back.some(isSoaking), { deadlineMs: 15_000, what: "what was missed to be heard of" });
  expect(back[0]).toEqual(heard[2]);

  const one = await api.get("/api/v1/tenants/42", viewer);
  expect(one).toMatchObject({
    status: 200,
    body: { status: { phase: "soaking", route: { home: "target" } }, switch: null, receipt: null },
  });
  expect(one.body.journal).toContainEqual(
    expect.objectContaining({ event: "switch-begun", detail: expect.objectContaining({ by: "admin (API)" }) }),
  );
  const events = one.body.journal.map(({ event }: { event: string }) => event);
  expect(events).toEqual(expect.arrayContaining(["planned", "soaking"]));

  // A tenant whose name is meant to do harm, and a row of it that differs.
  await migration.target.rows("UPDATE orders SET total = -1 WHERE tenant = $1 AND id = 7", [HOSTILE]);
  const compared = await api.done("/api/v1/verify", admin, { tenants: [HOSTILE] });
  expect(compared).toMatchObject({ state: "done", ok: false });
  const differences = await api.get(`/api/v1/differences?tenant=${encodeURIComponent(HOSTILE)}`, viewer);
  expect(differences.body).toMatchObject({
    differences: [
      { tenant: HOSTILE, table: "public.orders", kind: "different", source: { total: "7" }, target: { total: "-1" } },
    ],
  });
  expect(await api.get(`/api/v1/tenants/${encodeURIComponent(HOSTILE)}`, viewer)).toMatchObject({
    body: { status: { tenant: HOSTILE }, comparisons: [{ table: "public.orders", differences: 1 }] },
  });

  expect(await api.post("/api/v1/pause", admin)).toMatchObject({
    status: 200,
    body: { did: [expect.stringContaining("Paused")] },
  });
  expect(await api.get("/api/v1/summary")).toMatchObject({
    body: { state: "paused", tenants: { total: 3, phases: { soaking: 1 } } },
  });
  expect(await api.post("/api/v1/resume", admin)).toMatchObject({ status: 200 });

  expect((await api.get("/api/v1/audit", viewer)).status).toBe(403);
  const audit = await api.get("/api/v1/audit", admin);
  const deeds: unknown[] = audit.body.entries.map((one: AuditEntry) => [one.action, one.name, one.outcome, one.tenants]);
  expect(deeds.toReversed().slice(2)).toEqual([
    ["/api/v1/cutover", "viewer", "denied", null],
    ["cutover", "admin", "done", ["42"]],
    ["cutover", "admin", "done", ["42"]],
    ["verify", "admin", "refused", [HOSTILE]],
    ["pause", "admin", "done", null],
    ["resume", "admin", "done", null],
  ]);

  expect((await migration.rehouse("serve", "token", "revoke", "admin")).code).toBe(0);
  const isRefused = async () => (await api.post("/api/v1/pause", admin)).status === 401;
  await waitUntil(isRefused, { deadlineMs: 5_000, what: "the revoked token to be refused" });
  expect(await migration.rehouse("serve", "token", "list")).toMatchObject({
    code: 0,
    out: expect.stringMatching(/admin.*revoked/),
  });
  expect((await run.stop()).code).toBe(130);
});
