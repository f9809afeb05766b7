import { createServer, type Server } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { createLogger } from "../../src/log.ts";
import { redact } from "../../src/redact.ts";
import { applied, collectorOf, published, Tracer } from "../../src/traces/index.ts";

const beat = { xid: 7n, run: "ab12", number: 3, emittedAtMs: 1_767_225_600_000 };
const way = { migration: "move", beat, position: "0/1A2B3C4" };
const lane = { partition: 2, lane: "main", changes: 40 };

describe("the way of a heartbeat", () => {
  it("is one trace, whoever tells of it, and the target's part hangs on the topic's", () => {
    const [first, again, second] = [
      published(way, beat.emittedAtMs + 5),
      published(way, 0),
      applied(way, lane, beat.emittedAtMs + 20),
    ];
    expect([first.trace, first.span]).toEqual([again.trace, again.span]);
    expect(first).toMatchObject({
      trace: expect.stringMatching(/^[0-9a-f]{32}$/),
      span: expect.stringMatching(/^[0-9a-f]{16}$/),
    });
    expect(second).toMatchObject({ trace: first.trace, parent: first.span, attributes: { "rehouse.changes": 40 } });
    expect(published({ ...way, beat: { ...beat, number: 4 } }, 0).trace).not.toBe(first.trace);
    expect(applied(way, { ...lane, partition: 3 }, 0).span).not.toBe(second.span);
  });
});

describe("where traces go", () => {
  it("is nowhere, unless somebody says so", () => {
    expect(collectorOf({})).toBeUndefined();
    expect(collectorOf({ OTEL_EXPORTER_OTLP_ENDPOINT: "" })).toBeUndefined();
    expect(collectorOf({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318", OTEL_SDK_DISABLED: "true" })).toBeUndefined();
  });

  it("has the names that OpenTelemetry gave it, and its headers are secrets", () => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318/", OTEL_EXPORTER_OTLP_HEADERS: "x-key=collector%20key, b=c" };
    expect(collectorOf(env)).toEqual({
      url: "http://c:4318/v1/traces",
      headers: { "x-key": "collector key", b: "c" },
      serviceName: "rehouse",
    });
    expect(collectorOf({ ...env, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "https://d/t" })?.url).toBe("https://d/t");
    expect(redact("sent collector key")).toBe("sent ***");
    expect(() => collectorOf({ OTEL_EXPORTER_OTLP_ENDPOINT: "c:4318" })).toThrow(
      expect.objectContaining({ code: "REHOUSE_USAGE" }),
    );
  });
});

describe("the tracer", () => {
  let server: Server | undefined;
  afterEach(() => void server?.close());

  async function collector(status: number): Promise<{ url: string; got: { headers: unknown; body: unknown }[] }> {
    const got: { headers: unknown; body: unknown }[] = [];
    const listening = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        got.push({ headers: request.headers, body: JSON.parse(Buffer.concat(chunks).toString()) });
        response.writeHead(status).end("{}");
      });
    });
    server = listening;
    await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
    const at = listening.address();
    return { url: `http://127.0.0.1:${typeof at === "object" && at !== null ? at.port : 0}/v1/traces`, got };
  }

  it("sends what it was told as OTLP in JSON, at its end at the latest", async () => {
    const { url, got } = await collector(200);
    const tracer = new Tracer(
      { url, headers: { "x-key": "k" }, serviceName: "s" },
      { "rehouse.role": "capture" },
      createLogger("silent"),
    );
    tracer.record(published(way, beat.emittedAtMs + 5));
    tracer.record(applied(way, lane, beat.emittedAtMs - 1));
    await tracer[Symbol.asyncDispose]();
    expect(got).toHaveLength(1);
    expect(got[0]?.headers).toMatchObject({ "content-type": "application/json", "x-key": "k" });
    expect(got[0]?.body).toMatchObject({
      resourceSpans: [
        {
          resource: {
            attributes: [
              { key: "service.name", value: { stringValue: "s" } },
              { key: "rehouse.role", value: { stringValue: "capture" } },
            ],
          },
          scopeSpans: [
            {
              spans: [
                {
                  name: "capture publish",
                  kind: 4,
                  startTimeUnixNano: "1767225600000000000",
                  endTimeUnixNano: "1767225600005000000",
                },
                // Two clocks: it never ends before it began.
                {
                  name: "apply commit",
                  kind: 5,
                  endTimeUnixNano: "1767225600000000000",
                  attributes: expect.arrayContaining([{ key: "rehouse.changes", value: { intValue: "40" } }]),
                },
              ],
            },
          ],
        },
      ],
    });
  });

  it("drops them where the collector does not take them, says so, and holds nobody up", async () => {
    const lines: string[] = [];
    const { url } = await collector(503);
    const tracer = new Tracer(
      { url, headers: {}, serviceName: "s" },
      {},
      createLogger("info", (line) => lines.push(line)),
    );
    for (let n = 0; n < 5_000; n++) tracer.record(published(way, 0));
    await tracer[Symbol.asyncDispose]();
    expect(JSON.parse(lines[0] ?? "{}")).toMatchObject({
      event: "traces-not-sent",
      spans: 2_048,
      error: { what: "the collector answered 503" },
    });
  });
});
