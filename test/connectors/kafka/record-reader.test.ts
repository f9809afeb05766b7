import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BATCH } from "../../../connectors/kafka/batch-format.ts";
import { RecordReader } from "../../../connectors/kafka/record-reader.ts";
import { parsePosition } from "../../../src/model/position.ts";
import { batchOf, change, rewritten } from "./batches.ts";

const NOTHING = { position: undefined, tenant: undefined, isTxLast: false, unavailable: undefined };

describe("a reader of records", () => {
  it("reads what the producer writes", () => {
    const records = batchOf(5, [
      change({ value: "one", tenant: "42", table: "public.orders", op: "u", position: "0/1A2B3C4:1" }),
      change({ value: "two", tenant: "Zürich", position: "0/1A2B3C4:2", txLast: "1", unavailable: "note,a%2Cb" }),
      change({ value: "", position: "FFFFFFFF/0:123456789012345", tenant: "" }),
    ]);
    expect(new RecordReader().read(records, 5)).toEqual({
      from: 5,
      next: 8,
      messages: [
        { ...NOTHING, offset: 5, value: Buffer.from("one"), position: parsePosition("0/1A2B3C4:1"), tenant: "42" },
        {
          offset: 6,
          value: Buffer.from("two"),
          position: parsePosition("0/1A2B3C4:2"),
          tenant: "Zürich",
          isTxLast: true,
          unavailable: "note,a%2Cb",
        },
        { ...NOTHING, offset: 7, value: Buffer.alloc(0), position: parsePosition("FFFFFFFF/0:123456789012345"), tenant: "" },
      ],
    });
  });

  it("gives back what went in, whatever the lengths, several batches at a time and from any offset on", () => {
    const text = fc.string({ unit: "binary", maxLength: 300 });
    const one = fc.record({ value: text, tenant: fc.option(text), txLast: fc.boolean(), other: fc.option(text) });
    fc.assert(
      fc.property(fc.array(fc.array(one, { minLength: 1, maxLength: 20 }), { maxLength: 4 }), fc.nat(90), (batches, from) => {
        const sent = batches.flat().map((it, offset) => ({ ...it, offset }));
        let base = 0;
        const records = Buffer.concat(
          batches.map((batch) => {
            const headers = batch.map(({ value, tenant, txLast, other }) =>
              change({
                value,
                ...(other === null ? {} : { tracer: other }),
                ...(tenant === null ? {} : { tenant }),
                ...(txLast ? { txLast: "1" } : {}),
              }),
            );
            base += batch.length;
            return batchOf(base - batch.length, headers);
          }),
        );
        const { messages, next } = new RecordReader().read(records, from);
        expect(next).toBe(Math.max(from, sent.length));
        expect(messages.map(({ offset, value, tenant, isTxLast }) => [offset, value.toString(), tenant, isTxLast])).toEqual(
          sent
            .slice(from)
            .map(({ offset, value, tenant, txLast }) => [offset, Buffer.from(value).toString(), asSent(tenant), txLast]),
        );
      }),
    );
  });

  it("leaves a batch that the answer cuts short for the next fetch", () => {
    const first = batchOf(0, [change({ value: "one" }), change({ value: "two" })]);
    const both = Buffer.concat([first, batchOf(2, [change({ value: "three" })])]);
    for (let length = first.length; length < both.length; length += 1) {
      const { next, messages } = new RecordReader().read(both.subarray(0, length), 0);
      expect([next, messages.length]).toEqual([2, 2]);
    }
    expect(new RecordReader().read(both.subarray(0, first.length - 1), 0)).toEqual({ from: 0, next: 0, messages: [] });
  });

  it("goes past offsets that hold no message: control batches, and records that compaction has removed", () => {
    const control = rewritten(batchOf(2, [change({ value: "commit" })]), (batch) => {
      batch.writeInt16BE(0x30, BATCH.attributes);
    });
    const thinned = rewritten(batchOf(3, [change({ value: "kept" })]), (batch) => {
      batch.writeInt32BE(9, BATCH.lastOffsetDelta);
    });
    const records = Buffer.concat([batchOf(0, [change({ value: "a" }), change({ value: "b" })]), control, thinned]);
    const { next, messages } = new RecordReader().read(records, 1);
    expect(messages.map(({ offset, value }) => [offset, value.toString()])).toEqual([
      [1, "b"],
      [3, "kept"],
    ]);
    expect(next).toBe(13);
  });

  it.each([
    ["gzip", 1, gzipSync],
    ["zstd", 4, zstdCompressSync],
  ] as const)("reads batches compressed with %s", (_name, codec, compress) => {
    const plain = batchOf(7, [change({ value: "one", tenant: "42" }), change({ value: "two", tenant: "42" })]);
    const compressed = Buffer.concat([plain.subarray(0, BATCH.records), compress(plain.subarray(BATCH.records))]);
    const records = rewritten(compressed, (batch) => batch.writeInt16BE(codec, BATCH.attributes));
    expect(new RecordReader().read(records, 7)).toEqual(new RecordReader().read(plain, 7));
  });

  it.each([
    ["a codec that it does not have", (batch: Buffer) => batch.writeInt16BE(2, BATCH.attributes), "snappy"],
    ["a record longer than its batch", (batch: Buffer) => batch.fill(0xfe, BATCH.records, BATCH.records + 2), "cut short"],
  ])("refuses %s by name", (_what, change, message) => {
    const records = rewritten(batchOf(0, [ONE]), change);
    expect(() => new RecordReader().read(records, 0)).toThrow(expect.objectContaining({ code: "REHOUSE_SERVER" }));
    expect(() => new RecordReader().read(records, 0)).toThrow(message);
  });

  it("refuses a batch in which a bit is not what was sent, and one of an older format", () => {
    const records = batchOf(0, [ONE]);
    for (let at = BATCH.attributes; at < records.length; at += 1) {
      const spoilt = Buffer.from(records);
      spoilt[at] = (spoilt[at] ?? 0) ^ 1;
      expect(() => new RecordReader().read(spoilt, 0)).toThrow("checksum");
    }
    const old = Buffer.from(records);
    old[BATCH.magic] = 1;
    expect(() => new RecordReader().read(old, 0)).toThrow("message format 1");
  });

  it("reads a null header as none, and leaves out a message without a value", () => {
    // attributes, time delta, offset delta, no key, no value | value "x", one header: position, null
    const tombstone = [0, 0, 0, 1, 1, 0];
    const bare = [0, 0, 2, 1, 2, 0x78, 2, 16, ...Buffer.from("position"), 1];
    const body = Buffer.from([tombstone.length * 2, ...tombstone, bare.length * 2, ...bare]);
    const head = batchOf(0, [ONE, ONE]).subarray(0, BATCH.records);
    const records = rewritten(Buffer.concat([head, body]), () => undefined);
    expect(new RecordReader().read(records, 0)).toEqual({
      from: 0,
      next: 2,
      messages: [{ ...NOTHING, offset: 1, value: Buffer.from("x") }],
    });
  });
});

const ONE = change({ value: "one", tenant: "42", position: "0/1:1" });

/** A tenant's name is written as UTF-8, which has no lone surrogates. */
function asSent(tenant: string | null): string | undefined {
  return tenant === null ? undefined : Buffer.from(tenant).toString();
}
