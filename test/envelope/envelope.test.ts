import avro from "avsc";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  Encoder,
  keySchema,
  messageKeySchema,
  messageValueSchema,
  OP,
  RowReader,
  readValueSchema,
  Slab,
  schemaIdOf,
  type TransactionStamp,
  UNAVAILABLE_VALUE,
  valueSchema,
} from "../../src/envelope/index.ts";
import { asLsn } from "../../src/model/position.ts";
import { TOAST, tuple, type Value } from "../capture/support.ts";

const TABLE = { schema: "public", table: "orders" };
const STAMP: TransactionStamp = {
  xid: 4_000_000_000,
  lsn: asLsn(0x1a2b3c4d5en),
  committedAtMs: 1_700_000_000_123,
  capturedAtMs: 1_700_000_000_456,
};
const SOURCE = { version: "0.1.0", name: "rehouse.move-it", database: "app" };

describe("a row's message", () => {
  it("is Debezium's envelope to any Avro reader", () => {
    const { encoder, value, key } = encoderOf(["id", "tenant", "note"], ["id"]);
    const bytes = encoder.row(STAMP, OP.update, tuple("1", "7", "before"), tuple("1", "7", null), undefined, 17);
    expect(schemaIdOf(bytes)).toBe(258);
    expect(read(value.text, bytes)).toEqual({
      before: { id: "1", tenant: "7", note: "before" },
      after: { id: "1", tenant: "7", note: null },
      source: {
        version: "0.1.0",
        connector: "postgresql",
        name: "rehouse.move-it",
        ts_ms: 1_700_000_000_123,
        snapshot: null,
        db: "app",
        sequence: null,
        schema: "public",
        table: "orders",
        txId: 4_000_000_000,
        lsn: 0x1a2b3c4d5e,
        xmin: null,
      },
      op: "u",
      ts_ms: 1_700_000_000_456,
      transaction: { id: `4000000000:${0x1a2b3c4d5e}`, total_order: 17, data_collection_order: 1 },
    });
    expect(read(key.text, encoder.key(tuple("1", "7", null)))).toEqual({ table: "public.orders", id: "1" });
  });

  it("counts a table's changes within a transaction, and anew in the next", () => {
    const { encoder, value } = encoderOf(["id"], ["id"]);
    const order = (stamp: TransactionStamp, ordinal: number) =>
      Reflect.get(read(value.text, encoder.row(stamp, OP.create, undefined, tuple("1"), undefined, ordinal)), "transaction");
    expect(order(STAMP, 3)).toMatchObject({ total_order: 3, data_collection_order: 1 });
    expect(order(STAMP, 9)).toMatchObject({ total_order: 9, data_collection_order: 2 });
    expect(order({ ...STAMP, xid: 5 }, 1)).toMatchObject({ total_order: 1, data_collection_order: 1 });
  });

  it("says which TOAST values it lacks, unless the old row has them", () => {
    const { encoder, value } = encoderOf(["id", "big"], ["id"]);
    const without = encoder.row(STAMP, OP.update, undefined, tuple("1", TOAST), undefined, 1);
    expect(read(value.text, without)).toMatchObject({ after: { id: "1", big: UNAVAILABLE_VALUE } });
    expect(encoder.unavailable).toEqual([1]);
    const old = tuple("1", "the whole value");
    const filled = encoder.row(STAMP, OP.update, old, tuple("1", TOAST), old, 2);
    expect(read(value.text, filled)).toMatchObject({ before: { big: "the whole value" }, after: { big: "the whole value" } });
    expect(encoder.unavailable).toEqual([]);
  });

  it("leaves long values out of a row that the topic would not take, says so, and keeps the key", () => {
    const limit = 200_000;
    const { encoder, value } = encoderOf(["id", "a", "b", "c"], ["id"], limit);
    const [id, long, short] = ["i".repeat(2_000), "l".repeat(120_000), "short"];
    const whole = encoder.row(STAMP, OP.create, undefined, tuple(id, long, short, null), undefined, 1);
    expect(read(value.text, whole)).toMatchObject({ after: { a: long } });
    expect({ unavailable: encoder.unavailable, hasLeftOut: encoder.hasLeftOut }).toEqual({ unavailable: [], hasLeftOut: false });

    const old = tuple(id, long, short, long);
    const cut = encoder.row(STAMP, OP.update, old, tuple(id, long, short, TOAST), old, 2);
    expect(cut.length).toBeLessThan(limit);
    expect(read(value.text, cut)).toMatchObject({
      before: { id, a: UNAVAILABLE_VALUE, b: short },
      after: { id, a: UNAVAILABLE_VALUE, b: short, c: UNAVAILABLE_VALUE },
    });
    expect({ unavailable: encoder.unavailable, hasLeftOut: encoder.hasLeftOut }).toEqual({
      unavailable: [1, 3],
      hasLeftOut: true,
    });
    const removed = encoder.row(STAMP, OP.delete, old, undefined, undefined, 3);
    expect(read(value.text, removed)).toMatchObject({ before: { id, b: short }, after: null });
    expect(encoder.unavailable).toEqual([]);
  });

  it("survives an Avro round trip for any text, and our reader finds the same bytes", () => {
    const text = fc.oneof(fc.constant(null), fc.string({ unit: "binary" }), fc.string({ minLength: 60, maxLength: 9_000 }));
    const row = fc.array(text, { minLength: 3, maxLength: 3 });
    const { encoder, value } = encoderOf(["id", "b", "c"], ["id"]);
    const reader = new RowReader(readValueSchema(value.text));
    fc.assert(
      fc.property(
        fc.option(row),
        fc.option(row),
        fc.bigInt({ min: 0n, max: (1n << 53n) - 2n }),
        fc.nat(),
        (before, after, lsn, ordinal) => {
          const bytes = encoder.row({ ...STAMP, lsn: asLsn(lsn) }, OP.update, image(before), image(after), undefined, ordinal);
          const parsed = read(value.text, bytes);
          expect(parsed).toMatchObject({ before: object(before), after: object(after), transaction: { total_order: ordinal } });
          reader.read(bytes);
          expect(reader.hasBefore ? texts(bytes, reader.beforeStarts, reader.beforeEnds) : null).toEqual(before);
          expect(reader.hasAfter ? texts(bytes, reader.afterStarts, reader.afterEnds) : null).toEqual(after);
          expect([reader.lsn, reader.xid, reader.committedAtMs, reader.op]).toEqual([
            lsn,
            STAMP.xid,
            STAMP.committedAtMs,
            OP.update,
          ]);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("carries any LSN, also beyond what a JavaScript number holds", () => {
    const { encoder, value } = encoderOf(["id"], ["id"]);
    const reader = new RowReader(readValueSchema(value.text));
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 63n) - 1n }), (lsn) => {
        reader.read(encoder.row({ ...STAMP, lsn: asLsn(lsn) }, OP.create, undefined, tuple("1"), undefined, 1));
        expect(reader.lsn).toBe(lsn);
      }),
    );
  });

  it("is refused when it is cut short", () => {
    const { encoder, value } = encoderOf(["id"], ["id"]);
    const bytes = encoder.row(STAMP, OP.delete, tuple("1"), undefined, undefined, 1);
    const reader = new RowReader(readValueSchema(value.text));
    expect(() => reader.read(bytes.subarray(0, 20))).toThrow(RangeError);
    expect(() => schemaIdOf(Buffer.from("{}"))).toThrow(RangeError);
  });
});

describe("schemas", () => {
  it("keep the real names and types as attributes, whatever Avro allows as a name", () => {
    const columns = [
      { name: "a b", pgType: "numeric(12,2)" },
      { name: "a_b", pgType: "text" },
      { name: "1st", pgType: "public.mood" },
      { name: "käse", pgType: "text[]" },
    ];
    const schema = valueSchema({
      migration: "move-it",
      table: { schema: "Übel", table: "order lines" },
      columns,
      identity: "i",
      identityColumns: ["1st"],
    });
    expect(readValueSchema(schema.text)).toEqual({
      kind: "row",
      table: { schema: "Übel", table: "order lines" },
      columns,
      identityColumns: ["1st"],
    });
    expect(() => avro.Type.forSchema(JSON.parse(schema.text))).not.toThrow();
    expect(schema.fullName).toMatch(/^rehouse\.move_it\._bel_[0-9a-f]{6}\.order_lines_[0-9a-f]{6}\.Envelope$/);
  });

  it("differ when a type, the replica identity or a column changes", () => {
    const of = (pgType: string, identity: string) =>
      valueSchema({ migration: "m", table: TABLE, columns: [{ name: "id", pgType }], identity, identityColumns: ["id"] }).text;
    expect(new Set([of("integer", "d"), of("bigint", "d"), of("integer", "f")]).size).toBe(3);
  });

  it("take a key column that is called table", () => {
    const schema = keySchema({ migration: "m", table: TABLE, key: ["table", "id"] });
    const { encoder } = encoderOf(["table", "id"], ["table", "id"]);
    const parsed = read(schema.text, encoder.key(tuple("x", "1")));
    expect(Object.values(parsed)).toEqual(["public.orders", "x", "1"]);
  });
});

describe("a heartbeat's or marker's message", () => {
  it("reads as an envelope without a row", () => {
    const schema = messageValueSchema("move-it");
    const encoder = new Encoder({
      slab: new Slab(),
      source: SOURCE,
      table: { schema: "", table: "" },
      columns: 0,
      valueSchemaId: 1,
      keySchemaId: 2,
      keyName: "rehouse",
      keyColumns: [],
    });
    const bytes = encoder.message(STAMP, "rehouse", Buffer.from("mark:here"), 4);
    expect(read(schema.text, bytes)).toMatchObject({
      before: null,
      after: null,
      op: "m",
      message: { prefix: "rehouse", content: Buffer.from("mark:here") },
    });
    expect(read(messageKeySchema("move-it").text, encoder.key(undefined))).toEqual({ prefix: "rehouse" });
    const reader = new RowReader(readValueSchema(schema.text));
    reader.read(bytes);
    expect([reader.op, reader.lsn, reader.hasBefore, reader.hasAfter]).toEqual([OP.message, STAMP.lsn, false, false]);
    expect(reader.message()).toEqual({ prefix: "rehouse", content: Buffer.from("mark:here") });
  });
});

function encoderOf(columns: readonly string[], keyColumns: readonly string[], limit = Number.POSITIVE_INFINITY) {
  const value = valueSchema({
    migration: "move-it",
    table: TABLE,
    columns: columns.map((name) => ({ name, pgType: "text" })),
    identity: "d",
    identityColumns: keyColumns,
  });
  const key = keySchema({ migration: "move-it", table: TABLE, key: keyColumns });
  const encoder = new Encoder({
    slab: new Slab(),
    source: SOURCE,
    table: TABLE,
    columns: columns.length,
    valueSchemaId: 258,
    keySchemaId: 259,
    keyName: "public.orders",
    keyColumns: keyColumns.map((name) => columns.indexOf(name)),
    limit,
  });
  return { encoder, value, key };
}

/** What an independent Avro library reads, as plain objects. */
function read(schema: string, message: Buffer): object {
  return JSON.parse(JSON.stringify(avro.Type.forSchema(JSON.parse(schema)).fromBuffer(message.subarray(5))), (_key, value) =>
    value?.type === "Buffer" ? Buffer.from(value.data) : value,
  );
}

function image(values: readonly Value[] | null) {
  return values === null ? undefined : tuple(...values);
}

function object(values: readonly (string | null)[] | null) {
  return values === null ? null : { id: values[0], b: values[1], c: values[2] };
}

function texts(bytes: Buffer, starts: Int32Array, ends: Int32Array): (string | null)[] {
  return Array.from(starts, (start, i) => (start < 0 ? null : bytes.toString("utf8", start, ends[i])));
}
