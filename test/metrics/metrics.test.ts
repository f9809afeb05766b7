import { afterEach, describe, expect, it } from "vitest";
import type { StatusDocument } from "../../src/cli/documents.ts";
import { RehouseError } from "../../src/errors.ts";
import { createLogger } from "../../src/log.ts";
import { type Listener, listen, listenAddress, MigrationMetrics, metricsPages } from "../../src/metrics/index.ts";
import { rehouse, status, tenant } from "../cli/support.ts";

const log = createLogger("silent");

function metricsOf(answer: () => Promise<StatusDocument>): MigrationMetrics {
  return new MigrationMetrics({ migration: "move", version: "1.2.3", status: answer, log });
}

/** `name{labels but the migration}` → value. */
function samples(text: string): Map<string, number> {
  return new Map(
    text
      .split("\n")
      .filter((line) => line.startsWith("rehouse_"))
      .map((line) => {
        const [, name = "", labels = "", value = ""] = /^(\w+)\{(.*)\} (\S+)$/.exec(line) ?? [];
        return [`${name}{${labels.replace(/,?migration="move"/, "")}}`, Number(value)];
      }),
  );
}

const SLOT = { walStatus: "extended", retainedBytes: 4096 };

describe("the metrics of a migration", () => {
  it("are what its status says", async () => {
    const now = samples(
      await metricsOf(async () =>
        status({
          capture: { position: "0/1", lagBytes: 512, lagMs: 1500, slot: SLOT },
          reverse: { capture: { position: "0/1", lagBytes: 0, lagMs: 2, slot: { ...SLOT, walStatus: "lost" } } },
          backfill: { rowsCopied: 90, rowsEstimated: 100, chunksDone: 9, chunksTotal: 10 },
          apply: { changes: 7, lagMs: 4000 },
          tenants: [
            tenant("1", "in-sync", { applied: { position: "0/1", lagMs: 4000, changes: 7 }, foreignWrites: 2 }),
            tenant("2", "in-sync", {
              applied: { position: "0/1", lagMs: 90_000, changes: 0 },
              stopped: { code: "REHOUSE_CHANGE_REFUSED", what: "refused", position: null },
            }),
            tenant("3", "soaking", {
              applied: { position: "0/1", lagMs: 70_000, changes: 3 },
              reverse: { phase: "in-sync", applied: { position: "0/1", lagMs: 250, changes: 3 } },
              soak: { until: null, tripped: [{ criterion: "lag", value: "9 s", since: "2026-01-01T00:00:00Z" }], problems: [] },
              lateWrites: 5,
            }),
          ],
          reconcile: { units: 4, compared: 3, oldest: "2026-01-01T00:00:00Z", differences: 6, now: null, obstacles: [] },
          throttle: {
            pace: 0.25,
            roles: { backfill: 0.25, reconcile: 0.1, apply: 1 },
            because: { signal: "replica lag", value: "9 s", limit: "5 s", since: "2026-01-01T00:00:00Z" },
          },
          processes: [
            { role: "apply", host: "a", pid: 1, alive: true, startedAt: "2026-01-01T00:00:00Z", rssBytes: 100 },
            { role: "apply", host: "b", pid: 1, alive: true, startedAt: "2026-01-01T00:00:00Z", rssBytes: 200 },
            { role: "capture", host: "a", pid: 2, alive: false, startedAt: "2026-01-01T00:00:00Z", rssBytes: 400 },
          ],
          waits: [{ role: "apply", code: "REHOUSE_UNREACHABLE", what: "away", since: "2026-01-01T00:00:00Z", attempts: 3 }],
        }),
      ).text(),
    );
    expect(Object.fromEntries(now)).toMatchObject({
      'rehouse_build_info{version="1.2.3"}': 1,
      "rehouse_status_up{}": 1,
      'rehouse_migration_state{state="running"}': 1,
      'rehouse_migration_state{state="stopped"}': 0,
      'rehouse_capture_lag_bytes{feed="forward"}': 512,
      'rehouse_capture_lag_seconds{feed="forward"}': 1.5,
      'rehouse_slot_retained_bytes{feed="forward"}': 4096,
      'rehouse_slot_wal_status{feed="forward",status="lost"}': 0,
      'rehouse_slot_wal_status{feed="reverse",status="lost"}': 1,
      "rehouse_rows_copied_total{}": 90,
      "rehouse_chunks_done{}": 9,
      'rehouse_changes_applied_total{feed="forward"}': 7,
      'rehouse_changes_applied_total{feed="reverse"}': 3,
      // Neither that of the one that stands still, nor that of the one who lives elsewhere.
      'rehouse_apply_lag_seconds{feed="forward"}': 4,
      'rehouse_apply_lag_seconds{feed="reverse"}': 0.25,
      'rehouse_tenants{phase="in-sync"}': 2,
      'rehouse_tenants{phase="planned"}': 0,
      "rehouse_tenants_stopped{}": 1,
      "rehouse_foreign_writes{}": 2,
      "rehouse_late_writes{}": 5,
      "rehouse_soak_tripped{}": 1,
      "rehouse_differences{}": 6,
      "rehouse_oldest_comparison_timestamp_seconds{}": Date.parse("2026-01-01T00:00:00Z") / 1000,
      'rehouse_throttle_pace{role="backfill"}': 0.25,
      'rehouse_throttle_pace{role="reconcile"}': 0.1,
      'rehouse_throttle_limited{signal="replica lag"}': 1,
      'rehouse_process_up{role="apply"}': 1,
      'rehouse_process_up{role="capture"}': 0,
      'rehouse_process_resident_memory_bytes{role="apply"}': 300,
      'rehouse_waits{role="apply",code="REHOUSE_UNREACHABLE"}': 1,
    });
    // No tenant's name is a label, however many there are.
    expect([...now.keys()].filter((name) => name.includes("tenant="))).toEqual([]);
  });

  it("leave out what is not known, and what is no longer so, instead of saying 0", async () => {
    const answers = [
      async () => status({ stopped: { code: "REHOUSE_SLOT_LOST", what: "gone", position: null }, processes: [] }),
      () => Promise.reject(new RehouseError("REHOUSE_UNREACHABLE", { what: "away" })),
      () => Promise.reject(new RehouseError("REHOUSE_NO_MIGRATION", { what: "none" })),
    ];
    const [first, away, none] = await Promise.all(answers.map(async (answer) => samples(await metricsOf(answer).text())));
    expect(first?.get('rehouse_migration_stopped{code="REHOUSE_SLOT_LOST"}')).toBe(1);
    expect(first?.has("rehouse_differences{}")).toBe(false);
    expect([...(away?.keys() ?? [])]).toEqual(['rehouse_build_info{version="1.2.3"}', "rehouse_status_up{}"]);
    expect(away?.get("rehouse_status_up{}")).toBe(0);
    expect(none?.get("rehouse_status_up{}")).toBe(1);
    expect(none?.get('rehouse_migration_state{state="not-begun"}')).toBe(1);
  });

  it("are one look at the databases for all who ask at the same time", async () => {
    let looks = 0;
    const metrics = metricsOf(async () => {
      looks++;
      return status();
    });
    const [one, other] = await Promise.all([metrics.text(), metrics.text()]);
    expect(await metrics.text()).toBe(one);
    expect(other).toBe(one);
    expect(looks).toBe(1);
  });
});

describe("the listener", () => {
  let listener: Listener | undefined;
  afterEach(async () => listener?.close());

  it("serves metrics, liveness and readiness, and nothing else", async () => {
    let isAway = false;
    const answer = () =>
      isAway ? Promise.reject(new RehouseError("REHOUSE_UNREACHABLE", { what: "away" })) : Promise.resolve(status());
    const at = await listen(listenAddress("0"), metricsPages(metricsOf(answer)));
    listener = at;
    const get = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${at.port}${path}`, init);
    const metrics = await get("/metrics?x=1");
    expect(metrics.headers.get("content-type")).toMatch(/^text\/plain.*version=/);
    expect(await metrics.text()).toContain("# TYPE rehouse_rows_copied_total counter");
    expect([(await get("/livez")).status, (await get("/readyz")).status]).toEqual([200, 200]);
    expect([(await get("/")).status, (await get("/constructor")).status]).toEqual([404, 404]);
    expect((await get("/metrics", { method: "POST" })).status).toBe(405);
    expect(await (await get("/metrics", { method: "HEAD" })).text()).toBe("");
    await expect(listen({ host: "127.0.0.1", port: at.port }, {})).rejects.toMatchObject({ code: "REHOUSE_USAGE" });
    await at.close();

    isAway = true;
    const other = await listen(listenAddress("0"), metricsPages(metricsOf(answer)));
    listener = other;
    const codes = ["/livez", "/readyz", "/metrics"].map(
      async (path) => (await fetch(`http://127.0.0.1:${other.port}${path}`)).status,
    );
    expect(await Promise.all(codes)).toEqual([200, 503, 200]);
  });

  it.each([
    [true as const, { host: "127.0.0.1", port: 9187 }],
    ["9464", { host: "127.0.0.1", port: 9464 }],
    ["0.0.0.0:9187", { host: "0.0.0.0", port: 9187 }],
    ["[::1]:9187", { host: "::1", port: 9187 }],
    ["metrics.internal:9187", { host: "metrics.internal", port: 9187 }],
  ])("is at %s", (text, address) => {
    expect(listenAddress(text)).toEqual(address);
  });

  it("is asked for before anything is begun", async () => {
    const { exit, err, calls } = await rehouse(["run", "--metrics", "nowhere", "-f", "FILE"]);
    expect(exit).toBe(2);
    expect(err).toContain("--metrics");
    expect(calls.map(({ method }) => method)).toEqual(["dispose"]);
  });

  it.each(["", "host", "host:", "1:2:3", "host:99999", "http://host:1"])("refuses %j", (text) => {
    expect(() => listenAddress(text)).toThrow(expect.objectContaining({ code: "REHOUSE_USAGE" }));
  });
});
