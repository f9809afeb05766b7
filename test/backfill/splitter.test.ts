import fc from "fast-check";
import { expect, test } from "vitest";
import { Batches, piecesOf } from "../../src/backfill/batches.ts";
import { BINARY_END, BINARY_START, BinarySplitter } from "../../src/backfill/binary-splitter.ts";
import { LARGE_ROW, type RowSink } from "../../src/backfill/row-splitter.ts";
import { TextSplitter } from "../../src/backfill/text-splitter.ts";

type Row = { tenant: string; fields: (Buffer | null)[] };

const rows = fc.array(
  fc.record({
    tenant: fc.constantFrom("1", "2", "a tenant", "é"),
    fields: fc.array(fc.option(fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes))), {
      minLength: 2,
      maxLength: 2,
    }),
  }),
  { maxLength: 30 },
);
const cuts = fc.array(fc.nat(2000), { maxLength: 20 });

function binaryRow(fields: readonly (Buffer | null)[]): Buffer {
  const count = Buffer.alloc(2);
  count.writeInt16BE(fields.length);
  const parts = fields.map((field) => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(field?.length ?? -1);
    return Buffer.concat([length, field ?? Buffer.alloc(0)]);
  });
  return Buffer.concat([count, ...parts]);
}

const textRow = (fields: readonly (Buffer | null)[]) =>
  Buffer.from(`${fields.map((field) => (field === null ? "\\N" : field.toString("hex"))).join("\t")}\n`);

function pieces(stream: Buffer, at: readonly number[]): Buffer[] {
  const places = [...new Set([0, ...at.filter((cut) => cut < stream.length), stream.length])].sort((a, b) => a - b);
  return places.slice(1).map((end, index) => Buffer.from(stream.subarray(places[index], end)));
}

/** What each tenant got, joined. */
function collect(): { sink: RowSink; got: Map<string, Buffer>; ends: number } {
  const collected = { got: new Map<string, Buffer>(), ends: 0 };
  const sink: RowSink = {
    row: (tenant, bytes, from, to, end) => {
      collected.got.set(tenant, Buffer.concat([collected.got.get(tenant) ?? Buffer.alloc(0), bytes.subarray(from, to)]));
      if (end) collected.ends++;
    },
  };
  return Object.assign(collected, { sink });
}

function expected(all: readonly Row[], encode: (fields: readonly (Buffer | null)[]) => Buffer): Map<string, Buffer> {
  const byTenant = new Map<string, Buffer>();
  for (const { tenant, fields } of all)
    byTenant.set(tenant, Buffer.concat([byTenant.get(tenant) ?? Buffer.alloc(0), encode(fields)]));
  return byTenant;
}

test("rows in binary reach their tenants whole, however the stream is cut", () => {
  fc.assert(
    fc.property(rows, cuts, (all, at) => {
      const stream = Buffer.concat([
        BINARY_START,
        ...all.map(({ tenant, fields }) => binaryRow([Buffer.from(tenant), ...fields])),
        BINARY_END,
      ]);
      const collected = collect();
      const splitter = new BinarySplitter(collected.sink);
      for (const piece of pieces(stream, at)) splitter.push(piece);
      splitter.end();
      expect(collected.got).toEqual(expected(all, binaryRow));
      expect(collected.ends).toBe(all.length);
    }),
  );
});

test("rows in text reach their tenants whole, however the stream is cut", () => {
  fc.assert(
    fc.property(rows, cuts, (all, at) => {
      const stream = Buffer.concat(all.map(({ tenant, fields }) => Buffer.concat([Buffer.from(`${tenant}\t`), textRow(fields)])));
      const collected = collect();
      const splitter = new TextSplitter(collected.sink);
      for (const piece of pieces(stream, at)) splitter.push(piece);
      splitter.end();
      expect(collected.got).toEqual(expected(all, textRow));
      expect(collected.ends).toBe(all.length);
    }),
  );
});

test("an escaped tenant in text is the tenant that was meant", () => {
  const collected = collect();
  const splitter = new TextSplitter(collected.sink);
  splitter.push(Buffer.from("a\\tb\\\\c\tx\n"));
  expect([...collected.got.keys()]).toEqual(["a\tb\\c"]);
});

test("a large row is handed on in parts, and the rows around it stay whole", () => {
  const large = Buffer.alloc(LARGE_ROW * 3 + 7, 0x61);
  const all: Row[] = [
    { tenant: "1", fields: [Buffer.from("before"), null] },
    { tenant: "2", fields: [Buffer.alloc(0), large] },
    { tenant: "2", fields: [large, null] },
    { tenant: "1", fields: [null, Buffer.from("after")] },
  ];
  for (const [splitterOf, encode, stream] of [
    [
      BinarySplitter,
      binaryRow,
      Buffer.concat([BINARY_START, ...all.map(({ tenant, fields }) => binaryRow([Buffer.from(tenant), ...fields])), BINARY_END]),
    ],
    [
      TextSplitter,
      textRow,
      Buffer.concat(all.map(({ tenant, fields }) => Buffer.concat([Buffer.from(`${tenant}\t`), textRow(fields)]))),
    ],
  ] as const) {
    const collected = collect();
    const splitter = new splitterOf(collected.sink);
    for (let from = 0; from < stream.length; from += 65_536) splitter.push(Buffer.from(stream.subarray(from, from + 65_536)));
    splitter.end();
    expect(collected.ends).toBe(4);
    for (const [tenant, bytes] of expected(all, encode)) expect(collected.got.get(tenant)?.equals(bytes)).toBe(true);
  }
});

test("a stream that ends inside a row is an error", () => {
  const cut = new BinarySplitter(collect().sink);
  cut.push(Buffer.concat([BINARY_START, binaryRow([Buffer.from("1"), Buffer.from("x")]).subarray(0, 9)]));
  expect(() => cut.end()).toThrow(RangeError);
  const text = new TextSplitter(collect().sink);
  text.push(Buffer.from("1\tx"));
  expect(() => text.end()).toThrow(RangeError);
});

test("batches give back what was put in, and use their memory again", () => {
  const batches = new Batches();
  const bytes = Buffer.alloc(50_000, 0x62);
  batches.row("1", bytes, 0, 40_000, true);
  batches.row("2", bytes, 0, 10, true);
  batches.row("1", bytes, 0, 9_999, true);
  const [first] = batches.all;
  expect(first?.rows).toBe(2n);
  expect(
    Buffer.concat([...piecesOf(first ?? { tenant: "", blocks: [], used: 0, rows: 0n, isOpen: false })]).equals(
      Buffer.alloc(49_999, 0x62),
    ),
  ).toBe(true);
  expect(batches.bytes).toBe(50_009);
  for (const batch of [...batches.all]) batches.release(batch);
  expect(batches.bytes).toBe(0);
});
