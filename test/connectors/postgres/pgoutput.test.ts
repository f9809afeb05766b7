import { describe, expect, it } from "vitest";
import { PgoutputDecoder } from "../../../connectors/postgres/pgoutput.ts";
import { parseLsn } from "../../../src/model/position.ts";
import { NULL_VALUE, type StreamMessage, type Tuple, UNCHANGED_TOAST } from "../../../src/ports.ts";

/** Messages as Postgres 18 sent them for a table "Odd, name" (id bigint, tenant int, "a value" text, amount numeric(12,2), at timestamptz). */
const WIRE = {
  begin: "4200000000db363908000303dff64ad0cf0000a193",
  relation:
    "5200007af97075626c6963004f64642c206e616d65006400050169640000000014ffffffff0074656e616e740000000017ffffffff00612076616c75650000000019ffffffff00616d6f756e7400000006a4000c000600617400000004a0ffffffff",
  insert:
    "4900007af94e0005740000000131740000000137740000000874616209c3a95c4e74000000034e614e740000001d323032342d30322d32392031323a33343a35362e3738393031322b3030",
  insertWithNulls: "4900007af94e00057400000001326e6e740000000531322e35307400000008696e66696e697479",
  updateUnchangedToast:
    "5500007af94e0005740000000131740000000137757400000004312e3030740000001d323032342d30322d32392031323a33343a35362e3738393031322b3030",
  updateOfKey: "5500007af94b00057400000001326e6e6e6e4e00057400000001336e6e740000000531322e35307400000008696e66696e697479",
  delete: "4400007af94b00057400000001336e6e6e6e",
  relationFull:
    "5200007af97075626c6963004f64642c206e616d65006600050169640000000014ffffffff0174656e616e740000000017ffffffff01612076616c75650000000019ffffffff01616d6f756e7400000006a4000c000601617400000004a0ffffffff",
  messageNow: "4d0000000000db3658786f7468657200000000036e6f77",
  message: "4d0100000000db3658387265686f75736500000000066d61726b3a78",
  truncate: "54000000010200007af9",
  commit: "430000000000db36390800000000db363938000303dff64ad0cf",
};

describe("the decoder, on bytes of a real slot", () => {
  it("reads where a transaction commits, when, and which one it is", () => {
    expect(decode("begin")).toEqual({
      kind: "begin",
      lsn: parseLsn("0/DB363908"),
      committedAtMs: Date.parse("2026-11-22T17:56:14.820Z"),
      xid: 0xa193,
    });
    expect(decode("commit")).toEqual({ kind: "commit", lsn: parseLsn("0/DB363908"), endLsn: parseLsn("0/DB363938") });
  });

  it("reads a relation with names that need quotes, its identity and its types", () => {
    expect(decode("relation")).toEqual({
      kind: "relation",
      relation: {
        id: 0x7af9,
        schema: "public",
        table: "Odd, name",
        identity: "d",
        columns: [
          { name: "id", inIdentity: true, typeOid: 20, typmod: -1 },
          { name: "tenant", inIdentity: false, typeOid: 23, typmod: -1 },
          { name: "a value", inIdentity: false, typeOid: 25, typmod: -1 },
          { name: "amount", inIdentity: false, typeOid: 1700, typmod: 786_438 },
          { name: "at", inIdentity: false, typeOid: 1184, typmod: -1 },
        ],
      },
    });
    const full = decode("relationFull");
    expect(full?.kind === "relation" && full.relation.identity).toBe("f");
  });

  it("keeps every value as the server's own bytes: tabs, backslashes, NaN, microseconds", () => {
    const message = decode("relation", "insert");
    expect(message?.kind === "insert" && texts(message.after)).toEqual([
      "1",
      "7",
      "tab\té\\N",
      "NaN",
      "2024-02-29 12:34:56.789012+00",
    ]);
  });

  it("tells NULL from an unchanged TOAST value", () => {
    const inserted = decode("relation", "insertWithNulls");
    expect(inserted?.kind === "insert" && texts(inserted.after)).toEqual(["2", NULL_VALUE, NULL_VALUE, "12.50", "infinity"]);
    const updated = decode("relation", "updateUnchangedToast");
    expect(updated?.kind === "update" && updated.before).toBeUndefined();
    expect(updated?.kind === "update" && texts(updated.after)).toEqual([
      "1",
      "7",
      UNCHANGED_TOAST,
      "1.00",
      "2024-02-29 12:34:56.789012+00",
    ]);
  });

  it("hands over the old key of an update and of a delete", () => {
    const updated = decode("relation", "updateOfKey");
    if (updated?.kind !== "update" || updated.before === undefined) throw new Error("no update with its old key");
    expect([texts(updated.before)[0], texts(updated.after)[0]]).toEqual(["2", "3"]);
    const deleted = decode("relation", "delete");
    expect(deleted?.kind === "delete" && texts(deleted.before)).toEqual(["3", NULL_VALUE, NULL_VALUE, NULL_VALUE, NULL_VALUE]);
  });

  it("forgets the old row of the update before", () => {
    const decoder = new PgoutputDecoder();
    for (const name of ["relation", "updateOfKey"] as const) decoder.decode(bytes(name));
    const updated = decoder.decode(bytes("updateUnchangedToast"));
    expect(updated?.kind === "update" && updated.before).toBeUndefined();
  });

  it("reads logical messages and TRUNCATE", () => {
    const message = decode("message");
    expect(message).toMatchObject({ kind: "message", transactional: true, prefix: "rehouse" });
    expect(message?.kind === "message" && message.content.toString()).toBe("mark:x");
    expect(decode("messageNow")).toMatchObject({ kind: "message", transactional: false, prefix: "other" });
    expect(decode("relation", "truncate")).toMatchObject({
      kind: "truncate",
      cascade: false,
      restartIdentity: true,
      relations: [{ table: "Odd, name" }],
    });
  });

  it("reads a message that stands behind other bytes", () => {
    const decoder = new PgoutputDecoder();
    decoder.decode(bytes("relation"));
    const padded = Buffer.concat([Buffer.alloc(25, 0xff), bytes("insertWithNulls")]);
    const message = decoder.decode(padded, 25);
    expect(message?.kind === "insert" && texts(message.after)[3]).toBe("12.50");
  });

  it("refuses what is cut short, of an unknown kind, or of a relation that was never announced", () => {
    const decoder = new PgoutputDecoder();
    expect(() => decoder.decode(bytes("insert"))).toThrow(/before the relation itself/);
    decoder.decode(bytes("relation"));
    expect(() => decoder.decode(bytes("insert").subarray(0, 40))).toThrow(/cut short|unknown kind/);
    expect(() => decoder.decode(Buffer.from("?"))).toThrow(/unknown kind/);
  });
});

function bytes(name: keyof typeof WIRE): Buffer {
  return Buffer.from(WIRE[name], "hex");
}

/** The last of the messages, decoded in this order by one decoder. */
function decode(...names: (keyof typeof WIRE)[]): StreamMessage | undefined {
  const decoder = new PgoutputDecoder();
  return names.map((name) => decoder.decode(bytes(name))).at(-1);
}

function texts(tuple: Tuple): (string | number)[] {
  return Array.from(tuple.starts, (start, i) => (start < 0 ? start : tuple.bytes.toString("utf8", start, tuple.ends[i])));
}
