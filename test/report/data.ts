import type { ReportData } from "../../src/report/index.ts";

/** A report on nothing, with what a test gives it. */
export function reportData(more: Partial<ReportData> = {}): ReportData {
  return {
    migration: "move-enterprise",
    version: "1.2.3",
    source: "source:5432/app",
    target: "target:5432/app",
    sourceVersion: "18.0",
    targetVersion: "17.2",
    madeAt: "2026-01-02 03:04:05+00",
    digest: "d1",
    begunAt: "2026-01-01 00:00:00+00",
    document: { formatVersion: 1, equal: true, tenants: [] },
    kept: [],
    passes: [],
    obstacles: [],
    ...more,
  };
}
