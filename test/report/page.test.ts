import { expect, test } from "vitest";
import { page } from "../../src/report/index.ts";
import type { VerifiedTable } from "../../src/verify/index.ts";
import { reportData } from "./data.ts";

const EVIL = `<script>alert("1")</script>'&`;
const ESCAPED = "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39;&amp;";

function table(more: Partial<VerifiedTable> = {}): VerifiedTable {
  return {
    table: "public.orders",
    rows: 12345,
    hash: "-987654321",
    position: "0/1A2B3C4",
    at: "2026-01-01T00:00:00.000Z",
    differences: [],
    unsettled: 0,
    omitted: 0,
    unrepaired: [],
    ...more,
  };
}

const DIFFERENCE = {
  id: "d",
  key: { id: "7" },
  kind: "different" as const,
  columns: ["note"],
  source: { id: "7", note: "" },
  target: { id: "7", note: null },
  settled: true,
  foreignWrite: null,
  repaired: false,
};

test("says what was compared, up to where, with which hash, and that it is equal", () => {
  const text = page(
    reportData({ document: { formatVersion: 1, equal: true, tenants: [{ tenant: "42", phase: "in-sync", tables: [table()] }] } }),
  );
  for (const part of [
    "Both sides are equal.",
    "move-enterprise",
    "source:5432/app, Postgres 18.0",
    "2026-01-02 03:04:05+00",
    "12,345",
    "-987654321",
    "0/1A2B3C4",
  ])
    expect(text).toContain(part);
  expect(text).toContain("Everything was compared.");
});

test("shows a difference with both values, NULL told from an empty text, and what was not compared with the reason", () => {
  const text = page(
    reportData({
      document: {
        formatVersion: 1,
        equal: false,
        tenants: [
          { tenant: "42", phase: "in-sync", tables: [table({ differences: [DIFFERENCE], unsettled: 3 })] },
          { tenant: "43", phase: "backfilling", tables: [] },
        ],
      },
      obstacles: [{ table: "public.big", tenant: "42", why: "Postgres answered 57014" }],
    }),
  );
  expect(text).toContain("The sides are not equal");
  expect(text).toContain("<q></q> → <i>NULL</i>");
  expect(text).toContain("1 differ, 3 changed at every look");
  expect(text).toContain("it is backfilling: not on both sides");
  expect(text).toContain("by the endless comparison: Postgres answered 57014");
});

test("has the history: who compared when with what result, and each difference until it was gone, and by what", () => {
  const seen = { table: "public.orders", tenant: "42", position: "0/2", firstSeen: "Monday", lastSeen: "Tuesday" };
  const { key, kind, columns, source, target } = DIFFERENCE;
  const pass = {
    table: "public.orders",
    tenant: "42",
    hash: "5",
    position: "0/3",
    differences: "0",
    unsettled: "0",
    omitted: "0",
  };
  const text = page(
    reportData({
      kept: [
        { ...seen, key, kind, columns, source, target, goneAt: null, repairedBy: null },
        { ...seen, key, kind, columns, source, target, goneAt: "Wednesday", repairedBy: null },
        { ...seen, key, kind, columns, source, target, goneAt: "Thursday", repairedBy: "ann@ops" },
      ],
      passes: [
        { ...pass, at: "Friday", by: "reconcile", rows: "4321" },
        { ...pass, at: "Saturday", by: "verify", rows: "1", differences: "2" },
      ],
    }),
  );
  for (const part of [
    "still there",
    "Wednesday, by the stream",
    "Thursday, repaired by ann@ops",
    "4,321",
    "2 differ, 0 in flight",
  ])
    expect(text).toContain(part);
});

test("nothing that comes from a database is more than text, and nothing is asked of any other server", () => {
  const text = page(
    reportData({
      migration: EVIL,
      source: EVIL,
      document: {
        formatVersion: 1,
        equal: false,
        tenants: [
          {
            tenant: EVIL,
            phase: "in-sync",
            tables: [
              table({
                table: EVIL,
                differences: [
                  { ...DIFFERENCE, key: { [EVIL]: EVIL }, columns: [EVIL], source: { [EVIL]: EVIL }, target: { [EVIL]: null } },
                ],
              }),
            ],
          },
        ],
      },
      obstacles: [{ table: EVIL, tenant: EVIL, why: EVIL }],
    }),
  );
  expect(text).not.toContain("<script");
  expect(text).toContain(ESCAPED);
  expect(text).not.toMatch(/https?:|src=|href=|@import|url\(/);
  expect(text).toContain("default-src 'none'");
});
