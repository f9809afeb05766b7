import { expect, it } from "vitest";
import { findOrphans, type Places, type Seen, type Traces } from "../../src/orphans/index.ts";
import type { Database } from "../../src/ports.ts";

const at = (place: string): Database => ({
  place,
  connect: () => Promise.reject(new Error("nobody is asked")),
  query: () => Promise.reject(new Error("nobody is asked")),
  transaction: () => Promise.reject(new Error("nobody is asked")),
  close: () => Promise.resolve(),
});

const PLACES: Places = {
  source: { name: "source", database: at("s"), feed: "m", stateOf: "m.reverse" },
  target: { name: "target", database: at("t"), feed: "m.reverse", stateOf: "m" },
  kafka: "kafka",
  registry: "registry",
};

const NOTHING: Traces = {
  state: undefined,
  slot: undefined,
  hasPublication: false,
  fence: { rows: [], strayTriggers: [], strayFunctions: [] },
  watchers: [],
};

const armed = (tenant: string) => ({ tenant, state: "armed", home: "source", generation: 1n }) as const;
const state = (tenants: Readonly<Record<string, string>>) => ({
  state: "running",
  hasSlot: true,
  tenants: new Map(Object.entries(tenants)),
});
const found = (seen: Partial<Seen>) =>
  findOrphans(PLACES, { source: undefined, target: undefined, kafka: undefined, subjects: undefined, ...seen }).map(
    ({ kind, name }) => `${kind}: ${name}`,
  );

const KAFKA = {
  topics: ["rehouse.m.changes", "rehouse.m.routes", "rehouse.m.reverse.changes"],
  groups: new Map([
    ["rehouse.m", 0],
    ["rehouse.m.reverse", 0],
  ]),
};
const SUBJECTS = ["rehouse.m.changes-a", "rehouse.m.reverse.changes-a"];

it("claims nothing of what only a server knows that does not answer", () => {
  const source = { ...NOTHING, hasPublication: true, fence: { ...NOTHING.fence, rows: [armed("1")] } };
  expect(found({ source, kafka: KAFKA, subjects: SUBJECTS })).toEqual([]);
  const target = { ...NOTHING, state: state({ "1": "in-sync" }), hasPublication: true };
  expect(found({ target, kafka: KAFKA, subjects: SUBJECTS })).toEqual([]);
});

it("takes what both feeds have for their own while both live", () => {
  const source = {
    ...NOTHING,
    state: state({ "1": "idle" }),
    hasPublication: true,
    fence: { ...NOTHING.fence, rows: [armed("1")] },
  };
  const target = {
    ...source,
    state: state({ "1": "in-sync" }),
    watchers: [{ table: { schema: "public", table: "a" }, name: "w" }],
  };
  expect(found({ source, target, kafka: KAFKA, subjects: SUBJECTS })).toEqual([]);
});

it("finds the feed home's things where it is gone and the migration lives, and fences of tenants that it does not know or that have left", () => {
  const fence = { ...NOTHING.fence, rows: [armed("1"), armed("2"), armed("3")] };
  const source = { ...NOTHING, hasPublication: true, fence };
  const target = { ...NOTHING, state: state({ "1": "in-sync", "2": "contracted" }), hasPublication: true, fence };
  expect(found({ source, target, kafka: KAFKA, subjects: SUBJECTS })).toEqual([
    "publication: publication rehouse__m_reverse",
    "fence: the fence of tenant 3 (armed)",
    "fence: the fence of tenant 2 (armed)",
    "fence: the fence of tenant 3 (armed)",
    "topic: topic rehouse.m.reverse.changes",
    "group: consumer group rehouse.m.reverse (0 members)",
    "subject: subject rehouse.m.reverse.changes-a",
  ]);
});
