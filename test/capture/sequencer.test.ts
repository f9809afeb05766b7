import { beforeEach, describe, expect, it } from "vitest";
import type { Beat } from "../../src/capture/beat.ts";
import { partitionOfTenant } from "../../src/capture/partition.ts";
import { Sequencer } from "../../src/capture/sequencer.ts";
import type { CapturedTable } from "../../src/capture/tables.ts";
import { type MovingTenants, TenantRoutes } from "../../src/capture/tenants.ts";
import { Encoder, formatReread, readTenant, readUnavailable, Slab } from "../../src/envelope/index.ts";
import type { TableKind } from "../../src/model/mapping.ts";
import { asLsn, type Lsn, type Position } from "../../src/model/position.ts";
import type { OutgoingMessage, Relation, StreamMessage } from "../../src/ports.ts";
import { begin, commit, insert, last, message, op, position, read, remove, tailOf, update } from "./messages.ts";
import { relation, TOAST } from "./support.ts";

const TENANT_PARTITIONS = 4;
const SHARED = TENANT_PARTITIONS;
const orders = relation("orders", ["id", "tenant", "note"], { id: 1, inIdentity: ["id", "tenant"] });
const full = relation("notes", ["id", "tenant", "big"], { id: 2, identity: "f" });
const countries = relation("countries", ["code"], { id: 3 });
const unmapped = relation("logs", ["id"], { id: 4 });

let sent: OutgoingMessage[];
let commits: Lsn[];
let beats: Beat[];
let orphans: string[];
beforeEach(() => {
  sent = [];
  commits = [];
  beats = [];
  orphans = [];
});

describe("positions", () => {
  it("count every change of the transaction, also of tables that do not move", () => {
    play(
      sequencer(),
      begin(100n),
      insert(unmapped, "1"),
      insert(orders, "1", "7", "a"),
      message("other", "x"),
      insert(orders, "2", "7", "b"),
      commit(110n),
    );
    expect(sent.map(position)).toEqual(["0/64:2", "0/64:4"]);
    expect(commits).toEqual([110n]);
  });

  it("are the same when the stream is sent again, so what the topic holds is left out", () => {
    const stream = [
      ...[begin(100n), insert(orders, "1", "7", "a"), insert(orders, "2", "8", "b"), insert(orders, "3", "7", "c"), commit(110n)],
      ...[begin(200n), insert(orders, "4", "7", "d"), insert(orders, "5", "8", "e"), commit(210n)],
    ];
    play(sequencer(), ...stream);
    const all = [...sent];
    for (let published = 0; published <= all.length; published += 1) {
      const there = all.slice(0, published);
      sent = [];
      play(sequencer({ tail: tailOf(there) }), ...stream);
      expect([...there, ...sent].map(position).toSorted()).toEqual(all.map(position).toSorted());
      expect([...there, ...sent].filter(last).map(position).toSorted()).toEqual(all.filter(last).map(position).toSorted());
    }
  });
});

describe("the last change of a transaction in a partition", () => {
  it("says so, once a partition", () => {
    play(
      sequencer(),
      begin(100n),
      insert(orders, "1", "7", "a"),
      insert(orders, "2", "7", "b"),
      insert(countries, "de"),
      commit(110n),
    );
    expect(sent.map((one) => [one.partition, position(one), last(one)])).toEqual([
      [partition("7"), "0/64:1", false],
      [partition("7"), "0/64:2", true],
      [SHARED, "0/64:3", true],
    ]);
  });

  it("does not hold back more than one message a partition, however long the transaction is", () => {
    const one = sequencer();
    play(one, begin(100n));
    for (let i = 0; i < 1_000; i += 1) play(one, insert(orders, String(i), "7", "a"));
    expect(sent.length).toBe(999);
  });
});

describe("a tenant's rows", () => {
  it("go to the tenant's partition under its name; shared rows to the last one", () => {
    play(sequencer(), begin(100n), insert(orders, "1", "42", "a"), insert(countries, "de"), commit(110n));
    expect(sent.map((one) => [readTenant(one.headers), one.partition])).toEqual([
      ["42", partition("42")],
      ["(shared)", SHARED],
    ]);
  });

  it("are left out when the tenant does not move", () => {
    play(
      sequencer({ moving: new Set(["7"]) }),
      begin(100n),
      insert(orders, "1", "7", "a"),
      insert(orders, "2", "8", "b"),
      commit(110n),
    );
    expect(sent.map((one) => readTenant(one.headers))).toEqual(["7"]);
  });

  it("become a delete and an insert when the tenant changes, each at a position of its own", () => {
    play(
      sequencer(),
      begin(100n),
      update(orders, ["1", "7", null], ["1", "8", "a"]),
      insert(orders, "9", "7", "z"),
      commit(110n),
    );
    expect(sent.map((one) => [op(one), readTenant(one.headers), position(one)]).toSorted(byPosition)).toEqual([
      ["d", "7", "0/64:1"],
      ["c", "8", "0/64:2"],
      ["c", "7", "0/64:3"],
    ]);
  });

  it("count the same whether the old or the new tenant moves", () => {
    play(
      sequencer({ moving: new Set(["8"]) }),
      begin(100n),
      update(orders, ["1", "7", null], ["1", "8", "a"]),
      insert(orders, "2", "8", "b"),
      commit(110n),
    );
    expect(sent.map(position)).toEqual(["0/64:2", "0/64:3"]);
  });

  it("without a tenant are reported and belong to nobody", () => {
    play(sequencer(), begin(100n), insert(orders, "1", null, "a"), insert(orders, "2", "7", "b"), commit(110n));
    play(sequencer(), begin(200n), remove(full, "3", null, "x"), update(full, ["4", null, "x"], ["4", "7", "x"]), commit(210n));
    expect(orphans).toEqual(["public.orders id = 1 at 0/64:1", "public.notes undefined", "public.notes undefined"]);
    expect(sent.map(position)).toEqual(["0/64:2", "0/C8:3"]);
  });

  it("that are updated or deleted without the tenant in the replica identity may be anybody's: all tenants get to know", () => {
    const loose = relation("loose", ["id", "tenant"], { id: 5 });
    const one = sequencer({ tables: [[loose, "tenant"]] });
    play(one, begin(100n), insert(loose, "1", "7"), update(loose, undefined, ["1", "8"]), remove(loose, "1", null), commit(110n));
    const all = [0, 1, 2, 3].map((of) => ({ of, tenant: undefined }));
    const sentAs = (kind: string) =>
      sent
        .filter((message) => op(message) === kind)
        .map((message) => ({ of: message.partition, tenant: readTenant(message.headers) }));
    expect(sentAs("c")).toEqual([{ of: partition("7"), tenant: "7" }]);
    expect(sentAs("u").toSorted((a, b) => a.of - b.of)).toEqual(all);
    expect(sentAs("d").toSorted((a, b) => a.of - b.of)).toEqual(all);
  });
});

describe("an update", () => {
  it("whose key changes is one message with the old key in before", () => {
    play(sequencer(), begin(100n), update(orders, ["1", "7", null], ["2", "7", "a"]), commit(110n));
    expect(sent.map(op)).toEqual(["u"]);
    const row = read(sent[0], 3);
    expect(row).toEqual({ before: ["1", "7", null], after: ["2", "7", "a"] });
  });

  it("names the unchanged TOAST columns that it lacks", () => {
    play(sequencer(), begin(100n), update(orders, undefined, ["1", "7", TOAST]), commit(110n));
    expect(sent.map((one) => readUnavailable(String(one.headers["unavailable"])))).toEqual([
      { columns: ["note"], mayBeNew: false },
    ]);
  });

  it("lacks nothing where the replica identity is full", () => {
    play(sequencer(), begin(100n), update(full, ["1", "7", "huge"], ["1", "7", TOAST]), commit(110n));
    expect(read(sent[0], 3)?.after).toEqual(["1", "7", "huge"]);
    expect(sent.map((one) => one.headers["unavailable"])).toEqual([undefined]);
  });
});

describe("a transaction of Rehouse's own", () => {
  it("is dropped as a whole, and the stream moves on", () => {
    const one = sequencer();
    play(
      one,
      begin(100n),
      message("rehouse", "apply:other"),
      insert(orders, "1", "7", "a"),
      message("rehouse", "mark:x"),
      commit(110n),
    );
    expect(sent).toEqual([]);
    expect(commits).toEqual([110n]);
    play(one, begin(200n), insert(orders, "1", "7", "a"), commit(210n));
    expect(sent.map(position)).toEqual(["0/C8:1"]);
  });

  it("is told by its first message only", () => {
    play(
      sequencer(),
      begin(100n),
      insert(orders, "1", "7", "a"),
      message("rehouse", "apply:other"),
      insert(orders, "2", "7", "b"),
      commit(110n),
    );
    expect(sent.length).toBe(2);
  });
});

describe("messages", () => {
  it("of a beat or a marker reach every partition; those of others none", () => {
    play(
      sequencer(),
      begin(100n),
      message("rehouse", "mark:x"),
      message("rehouse", "beat:other:1:1:ab:1"),
      message("app", "mark:y"),
      commit(110n),
    );
    expect(sent.map((one) => [one.partition, op(one), position(one), last(one)])).toEqual(
      [0, 1, 2, 3, 4].map((to) => [to, "m", "0/64:1", true]),
    );
  });

  it("of our own beats come back with what they carried", () => {
    play(sequencer(), begin(100n), message("rehouse", "beat:move-it:750:1700000000000:abcdef:3"), commit(110n));
    expect(beats).toEqual([{ xid: 750n, emittedAtMs: 1_700_000_000_000, run: "abcdef", number: 3 }]);
  });

  it("that ask for a row to be read again reach the partition of the row's unit alone", () => {
    const reread = (kind: "tenant" | "shared", unit: string) =>
      message("rehouse", formatReread("move-it", { table: "public.orders", kind, unit, key: ["1"] }));
    const other = formatReread("another", { table: "public.orders", kind: "tenant", unit: "7", key: ["1"] });
    play(
      sequencer({ moving: new Set(["7"]) }),
      begin(100n),
      reread("tenant", "7"),
      reread("tenant", "8"),
      reread("shared", "(shared)"),
      message("rehouse", other),
      message("rehouse", "reread:move-it:{}"),
      insert(orders, "1", "7", "a"),
      commit(110n),
    );
    expect(sent.map((one) => [one.partition, op(one), readTenant(one.headers), position(one)])).toEqual([
      [partition("7"), "m", "7", "0/64:1"],
      [partition("7"), "c", "7", "0/64:6"],
      [SHARED, "m", "(shared)", "0/64:3"],
    ]);
  });

  it("outside of transactions have no place", () => {
    const now: StreamMessage = {
      kind: "message",
      transactional: false,
      lsn: asLsn(1n),
      prefix: "rehouse",
      content: Buffer.from("mark:x"),
    };
    play(sequencer(), now);
    expect(sent).toEqual([]);
  });
});

describe("a table whose rows are all one tenant's", () => {
  it("is published under him, also what is emptied at once and what says nothing of the old row", () => {
    const own = relation("tickets", ["id", "note"], { id: 5 });
    play(
      sequencer({ owned: [[own, "7"]] }),
      begin(100n),
      insert(own, "1", "a"),
      update(own, undefined, ["1", "b"]),
      remove(own, "1", null),
      { kind: "truncate", relations: [own], cascade: false, restartIdentity: false },
      commit(110n),
    );
    expect(sent.map((one) => [one.partition, op(one), readTenant(one.headers), position(one)])).toEqual(
      ["c", "u", "d", "t"].map((what, at) => [partition("7"), what, "7", `0/64:${at + 1}`]),
    );
  });

  it("is left out when he does not move", () => {
    const own = relation("tickets", ["id", "note"], { id: 5 });
    play(
      sequencer({ owned: [[own, "8"]], moving: new Set(["7"]) }),
      begin(100n),
      insert(own, "1", "a"),
      { kind: "truncate", relations: [own], cascade: false, restartIdentity: false },
      commit(110n),
    );
    expect(sent).toEqual([]);
  });
});

describe("TRUNCATE", () => {
  it("of a tenants' table reaches all tenants' partitions, of a shared one the shared partition", () => {
    play(
      sequencer(),
      begin(100n),
      { kind: "truncate", relations: [orders, countries], cascade: false, restartIdentity: false },
      commit(110n),
    );
    expect(sent.map((one) => [one.partition, op(one), readTenant(one.headers), position(one)]).toSorted(byPartition)).toEqual([
      ...[0, 1, 2, 3].map((to) => [to, "t", undefined, "0/64:1"]),
      [SHARED, "t", "(shared)", "0/64:2"],
    ]);
  });
});

// ── what the tests are made of ──────────────────────────────────────────────────────────────────────────────────────────

function sequencer(
  of: {
    tail?: ReadonlyMap<number, Position>;
    moving?: MovingTenants;
    tables?: readonly (readonly [Relation, TableKind])[];
    owned?: readonly (readonly [Relation, string])[];
  } = {},
) {
  const slab = new Slab();
  const known: readonly (readonly [Relation, TableKind])[] = [
    [orders, "tenant"],
    [full, "tenant"],
    [countries, "shared"],
    ...(of.tables ?? []),
  ];
  const tables = new Map(known.map(([one, kind]) => [one, captured(one, kind, slab)]));
  for (const [one, owner] of of.owned ?? [])
    tables.set(one, { ...captured(one, "tenant", slab), tenantIndex: -1, owner: Buffer.from(owner) });
  return new Sequencer({
    migration: "move-it",
    tenantPartitions: TENANT_PARTITIONS,
    topicPartitions: TENANT_PARTITIONS + 1,
    routes: new TenantRoutes(of.moving ?? "all", TENANT_PARTITIONS),
    table: (one) => tables.get(one),
    messages: encoder("", 0, slab),
    slab,
    tail: of.tail ?? new Map(),
    out: { push: (one) => sent.push(one), commit: (end) => commits.push(end), beat: (beat) => beats.push(beat) },
    onOrphan: (table, written) => orphans.push(`${table} ${written?.()}`),
  });
}

function encoder(table: string, columns: number, slab: Slab): Encoder {
  const source = { version: "0", name: "rehouse.move-it", database: "app" };
  return new Encoder({
    slab,
    source,
    table: { schema: "public", table },
    columns,
    valueSchemaId: 1,
    keySchemaId: 2,
    keyName: table,
    keyColumns: [0],
  });
}

function captured(of: Relation, kind: TableKind, slab: Slab): CapturedTable {
  const tenantIndex = kind === "tenant" ? 1 : -1;
  const name = `public.${of.table}`;
  return {
    kind,
    name,
    header: Buffer.from(name),
    relation: of,
    tenantIndex,
    key: [0],
    tenantIsPadded: false,
    tenantInIdentity: of.columns[tenantIndex]?.inIdentity ?? false,
    owner: undefined,
    encoder: encoder(of.table, of.columns.length, slab),
  };
}

function play(one: Sequencer, ...messages: StreamMessage[]): void {
  for (const each of messages) one.take(each);
}

function partition(tenant: string): number {
  return partitionOfTenant(Buffer.from(tenant), TENANT_PARTITIONS);
}

function byPosition(a: readonly unknown[], b: readonly unknown[]): number {
  return String(a[2]) < String(b[2]) ? -1 : 1;
}

function byPartition(a: readonly unknown[], b: readonly unknown[]): number {
  return Number(a[0]) - Number(b[0]);
}
