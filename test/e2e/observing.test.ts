/** What an operator's tools see of a migration: its log, its metrics, and whether it is alive. */

import { createServer } from "node:http";
import { expect, test } from "vitest";
import { z } from "zod";
import { freePorts } from "../../stack/ports.ts";
import { Migration } from "../support/index.ts";

const spanShape = z.object({ name: z.string(), traceId: z.string(), spanId: z.string(), parentSpanId: z.string().optional() });
const requestShape = z.object({
  resourceSpans: z.array(z.object({ scopeSpans: z.array(z.object({ spans: z.array(spanShape) })) })),
});

/** Takes spans, as a collector of OpenTelemetry would. */
async function startCollector(): Promise<
  AsyncDisposable & { readonly url: string; readonly spans: z.infer<typeof spanShape>[] }
> {
  const spans: z.infer<typeof spanShape>[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { resourceSpans } = requestShape.parse(JSON.parse(Buffer.concat(chunks).toString()));
      spans.push(...resourceSpans.flatMap((of) => of.scopeSpans.flatMap((scope) => scope.spans)));
      response.end("{}");
    });
  });
  const [port = 0] = await freePorts(1);
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    ...{ url: `http://127.0.0.1:${port}`, spans },
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** A customer's value: long, so that no process id, position or duration of the log can look like it. */
const SECRET_TOTAL = "7315928460173926";

type LogRecord = Readonly<Record<string, unknown>>;

test("the log tells of every step once, the metrics of where it stands, and none of them a secret", {
  timeout: 180_000,
}, async () => {
  await using migration = await Migration.prepare({
    source: `CREATE TABLE orders (tenant_id int, id bigint, total numeric, PRIMARY KEY (tenant_id, id));
             INSERT INTO orders SELECT 1 + n % 2, n, n FROM generate_series(1, 100) AS n;`,
    target:
      "CREATE SCHEMA t_1; CREATE TABLE t_1.orders (id bigint PRIMARY KEY, total numeric CONSTRAINT small CHECK (total < 1000));",
    file: {
      tenants: { column: "tenant_id", move: [1, 2] },
      layout: { schema: "t_{tenant}", tenantColumn: "drop" },
      tables: { orders: {} },
      route: { webhook: { url: "http://user:webhook-pass%23word@127.0.0.1:9/", secret: "a-webhook-secret" } },
    },
  });
  const [port = 0] = await freePorts(1);
  await using collector = await startCollector();
  const environment = { REHOUSE_LOG: "debug", OTEL_EXPORTER_OTLP_ENDPOINT: collector.url };
  const run = migration.startWith(environment, "run", "--json", "--metrics", String(port));
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return { status: response.status, text: await response.text() };
  };
  await migration.inSync(run);
  await migration.until(
    run,
    "all roles to be seen",
    async () => (await get("/metrics")).text.match(/^rehouse_process_up\{.*\} 1$/gm)?.length === 5,
  );
  await migration.source.run(`UPDATE orders SET total = ${SECRET_TOTAL} WHERE id = 2`);
  await migration.until(run, "a tenant to stop", async () =>
    /^rehouse_tenants_stopped\{.*\} 1$/m.test((await get("/metrics")).text),
  );

  const { text } = await get("/metrics");
  expect(text).toMatch(/^rehouse_rows_copied_total\{migration="[\w-]+"\} 100$/m);
  expect(text).toMatch(/^rehouse_tenants\{phase="in-sync",migration="[\w-]+"\} 2$/m);
  expect(text).toMatch(/^rehouse_migration_state\{state="running",migration="[\w-]+"\} 1$/m);
  expect(text).toMatch(/^rehouse_slot_wal_status\{feed="forward",status="reserved",migration="[\w-]+"\} 1$/m);
  expect([(await get("/livez")).status, (await get("/readyz")).status]).toEqual([200, 200]);

  const [source] = (await migration.status()).processes ?? [];
  expect(source).toMatchObject({ alive: true, rssBytes: expect.any(Number) });

  const records = (): LogRecord[] =>
    run.said.split("\n").flatMap((line) => (line.startsWith('{"level"') ? [JSON.parse(line)] : []));
  const named = (event: string) => records().filter((record) => record["event"] === event);
  await migration.until(run, "the log to have it", async () => named("stopped").length > 0);
  expect(named("stopped")).toEqual([
    expect.objectContaining({
      level: "error",
      migration: migration.name,
      role: "control",
      tenant: "1",
      code: "REHOUSE_CHANGE_REFUSED",
      position: expect.stringMatching(/^[0-9A-F]+\/[0-9A-F]+:\d+$/),
    }),
  ]);
  expect(
    named("role-started")
      .map(({ role }) => role)
      .sort(),
  ).toEqual(["apply", "backfill", "capture", "control", "reconcile"]);
  for (const event of ["begun", "slot-made", "wave-planned", "epoch-opened", "wave-copied"])
    expect(named(event), event).toHaveLength(1);
  expect(named("chunk-copied").length).toBeGreaterThan(0);
  for (const phase of ["planned", "backfilling", "catching-up", "in-sync"])
    expect(
      named(phase)
        .map(({ tenant }) => tenant)
        .sort(),
      phase,
    ).toEqual(["1", "2"]);

  const { err } = await run.stop();
  expect(err).toContain('"event":"role-ended"');
  const [published, applied] = ["capture publish", "apply commit"].map((name) =>
    collector.spans.filter((span) => span.name === name),
  );
  const ids = new Set(published?.map(({ traceId, spanId }) => `${traceId} ${spanId}`));
  expect(applied?.some(({ traceId, parentSpanId }) => ids.has(`${traceId} ${parentSpanId}`))).toBe(true);
  for (const secret of ["webhook-pass", "a-webhook-secret", SECRET_TOTAL]) expect(err).not.toContain(secret);
});
